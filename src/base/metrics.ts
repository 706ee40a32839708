/** One time series that only grows. Keep it in a field: `inc` is an addition, nothing else. */
export class Counter {
  value = 0;
  inc(by = 1): void {
    this.value += by;
  }
}

/** Counts per bucket; `observe` is a short loop. Unit: as the metric's name says. */
export class Histogram {
  readonly counts: number[];
  sum = 0;
  count = 0;
  readonly bounds: readonly number[];

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let at = 0;
    while (at < this.bounds.length && value > this.bounds[at]!) at++;
    this.counts[at]!++;
    this.sum += value;
    this.count++;
  }
}

/** Upper bounds in seconds, 0.5 ms to 10 s. */
export const SECONDS = [0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.125, 0.25, 0.5, 1, 2, 4, 10] as const;

export type Labels = Readonly<Record<string, string>>;

interface Series<T> {
  readonly labels: Labels;
  readonly value: T;
}

/** All series of one name. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly kind: "counter" | "gauge" | "histogram";
  readonly series: Map<string, Series<Counter | Histogram | (() => number)>>;
}

/**
 * Named numbers of one process. Asking twice for one name and labels gives the same object. Label values must come
 * from a fixed set, never from a client's text. `cli/prometheus.ts` hands them to prom-client.
 */
export class Metrics {
  readonly families: Map<string, Family> = new Map();

  counter(name: string, help: string, labels: Labels = {}): Counter {
    return this.#get(name, help, "counter", labels, () => new Counter()) as Counter;
  }

  histogram(name: string, help: string, labels: Labels = {}, bounds: readonly number[] = SECONDS): Histogram {
    return this.#get(name, help, "histogram", labels, () => new Histogram(bounds)) as Histogram;
  }

  /** `read` is called when somebody looks. A second gauge of the same name and labels replaces the first. */
  gauge(name: string, help: string, read: () => number, labels: Labels = {}): void {
    this.#family(name, help, "gauge").series.set(keyOf(labels), { labels, value: read });
  }

  /** The present value of a counter or gauge, 0 when it does not exist. */
  read(name: string, labels: Labels = {}): number {
    const value = this.families.get(name)?.series.get(keyOf(labels))?.value;
    if (value === undefined) return 0;
    return value instanceof Counter ? value.value : value instanceof Histogram ? value.count : value();
  }

  #family(name: string, help: string, kind: Family["kind"]): Family {
    const known = this.families.get(name);
    if (known) {
      if (known.kind !== kind) throw new Error(`Cannot make ${kind} ${name}: it is a ${known.kind}`);
      return known;
    }
    const made: Family = { name, help, kind, series: new Map() };
    this.families.set(name, made);
    return made;
  }

  #get(name: string, help: string, kind: Family["kind"], labels: Labels, make: () => Counter | Histogram): unknown {
    const series = this.#family(name, help, kind).series;
    const key = keyOf(labels);
    let one = series.get(key);
    if (!one) series.set(key, one = { labels, value: make() });
    return one.value;
  }
}

function keyOf(labels: Labels): string {
  return Object.keys(labels).sort().map((name) => `${name}=${labels[name]}`).join(",");
}
