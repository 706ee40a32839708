import { Gauge, Registry } from "prom-client";
import { Counter, type Family, Histogram, type Labels, type Metrics } from "../base/metrics.ts";

/**
 * The text of `/metrics`: every family of `metrics` as it is now, in Prometheus' text format. Numbers are read when
 * somebody asks and never copied before, so counting costs the addition and nothing else.
 */
export async function prometheusText(metrics: Metrics): Promise<{ readonly type: string; readonly text: string }> {
  const registry = new Registry();
  for (const family of metrics.families.values()) registry.registerMetric(new FamilyMetric(family));
  return { type: registry.contentType, text: await registry.metrics() };
}

interface Value {
  readonly value: number;
  readonly labels: Record<string, string | number>;
  /** When it is not the family's own name. */
  readonly metricName?: string;
}

type Collected = Awaited<ReturnType<Gauge<string>["get"]>>;

/** A metric of prom-client that keeps nothing and reads a family; it is a Gauge only to be taken by the registry. */
class FamilyMetric extends Gauge<string> {
  readonly #family: Family;

  constructor(family: Family) {
    super({ name: family.name, help: family.help, registers: [] });
    this.#family = family;
  }

  override get(): Promise<Collected> {
    const { name, help, series } = this.#family;
    const values = [...series.values()].flatMap(({ labels, value }) => valuesOf(name, labels, value));
    // Declared as a numeric enum, but what prom-client has and prints is the word.
    const type = kindOf(this.#family) as unknown as Collected["type"];
    return Promise.resolve({ name, help, type, values, aggregator: "sum", collect: () => {} });
  }
}

/** A gauge called `…_total` reads a counter that somebody else keeps. */
function kindOf(family: Family): Family["kind"] {
  return family.kind === "gauge" && family.name.endsWith("_total") ? "counter" : family.kind;
}

function valuesOf(name: string, labels: Labels, value: Counter | Histogram | (() => number)): Value[] {
  if (value instanceof Counter) return [{ value: value.value, labels }];
  if (value instanceof Histogram) return bucketsOf(name, labels, value);
  try {
    return [{ value: value(), labels }];
  } catch {
    return []; // what it reads is gone; the other numbers are still wanted
  }
}

/** Prometheus counts upwards: each bucket holds what the smaller ones hold. */
function bucketsOf(name: string, labels: Labels, { bounds, counts, sum, count }: Histogram): Value[] {
  let below = 0;
  const buckets = counts.map((here, at): Value => {
    below += here;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bounds[at] ?? "+Inf" }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
