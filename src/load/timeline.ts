import { type Clock, systemClock, type Timer } from "../base/clock.ts";
import { Histogram, type SparseCounts } from "./histogram.ts";
import { type ProcessUse, useOf } from "./process_stats.ts";

/** A named line of a chart; null where nothing was known. */
export interface Series {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

/** Series that share a scale. */
export interface Chart {
  readonly title: string;
  readonly unit: string;
  /** Latencies: from microseconds to seconds on one page. */
  readonly logarithmic: boolean;
  readonly series: readonly Series[];
}

/** Something that happened at a moment, drawn into every chart. */
export interface Mark {
  readonly seconds: number;
  readonly label: string;
}

/** A run over time, for a report. */
export interface Charts {
  /** Where each point ends, seconds since the start. */
  readonly seconds: readonly number[];
  readonly charts: readonly Chart[];
  readonly marks: readonly Mark[];
}

const MOST_POINTS = 1000;
const SECOND_MS = 1000;

/** What a point of one track holds until the end: how it merges with the next one, and what it says then. */
interface Track {
  readonly title: string;
  readonly unit: string;
  /** Forgets what came before. */
  begin(): void;
  /** A point ends now. */
  close(): void;
  /** Two points become one. */
  halve(): void;
  series(widths: readonly number[]): Series[];
}

/**
 * Watches a run second by second: counters as rates, latencies as percentiles, gauges as they are. Beyond 1,000 points
 * two become one and from then on a point is twice as wide, so that memory is bounded and percentiles stay exact.
 */
export class Timeline {
  readonly #clock: Clock;
  #tracks: Track[] = [];
  /** Shown after all others. */
  readonly #processes: Track[] = [];
  readonly #widths: number[] = [];
  readonly #marks: Mark[] = [];
  #startMs = 0;
  #pointMs = 0;
  #secondsPerPoint = 1;
  #ticks = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** A number that grows, shown per second. `scale` multiplies it. Undefined: not known now. */
  rate(title: string, unit: string, name: string, read: () => number | undefined, scale = 1): void {
    this.#tracks.push(new Rate(title, unit, name, read, scale));
  }

  /** A number as it is; of several seconds the highest. */
  gauge(title: string, unit: string, name: string, read: () => number | undefined): void {
    this.#tracks.push(new Gauge(title, unit, name, read));
  }

  /** Durations recorded into it (microseconds) are shown as p50, p99 and p99.9 of the second they are recorded in. */
  latency(title: string): Histogram {
    const track = new Latency(title);
    this.#tracks.push(track);
    return track.now;
  }

  /** CPU and memory of a process; `pid` is asked each second, because it may be started anew. */
  process(name: string, pid: () => number | undefined): void {
    let use: ProcessUse | undefined;
    const look = () => {
      const id = pid();
      return use = id === undefined ? undefined : useOf(id);
    };
    this.#processes.push(
      new Rate("CPU", "% of a core", name, () => look()?.cpuUs, 1e-4),
      new Gauge("Memory", "MiB", name, () => use === undefined ? undefined : use.rssBytes / 2 ** 20),
    );
  }

  /** Second 0 is now. */
  start(): void {
    this.#startMs = this.#pointMs = this.#clock.mono();
    this.#tracks = [...this.#tracks, ...this.#processes.splice(0)];
    for (const track of this.#tracks) track.begin();
    this.#timer = this.#clock.every(SECOND_MS, () => this.#tick());
  }

  mark(label: string): void {
    this.#marks.push({ seconds: (this.#clock.mono() - this.#startMs) / 1000, label });
  }

  /** Ends the last point, if it is worth one or the only one. */
  stop(): void {
    if (this.#timer === undefined) return;
    this.#timer.stop();
    this.#timer = undefined;
    if (this.#widths.length === 0 || this.#clock.mono() - this.#pointMs >= SECOND_MS / 4) this.#close();
  }

  /** Tracks with the same title share a chart. */
  charts(): Charts {
    let end = 0;
    const seconds = this.#widths.map((width) => Math.round((end += width) * 1000) / 1000);
    const titles = [...new Set(this.#tracks.map(({ title }) => title))];
    const charts = titles.map((title): Chart => {
      const tracks = this.#tracks.filter((track) => track.title === title);
      return {
        title,
        unit: tracks[0]!.unit,
        logarithmic: tracks[0] instanceof Latency,
        series: tracks.flatMap((track) => track.series(this.#widths)),
      };
    });
    const known = charts.filter(({ series }) => series.some(({ values }) => values.some((value) => value !== null)));
    return { seconds, charts: known, marks: this.#marks };
  }

  #tick(): void {
    if (++this.#ticks % this.#secondsPerPoint === 0) this.#close();
  }

  #close(): void {
    const now = this.#clock.mono();
    this.#widths.push((now - this.#pointMs) / 1000);
    this.#pointMs = now;
    for (const track of this.#tracks) track.close();
    if (this.#widths.length < MOST_POINTS) return;
    halve(this.#widths, (a, b) => a + b);
    for (const track of this.#tracks) track.halve();
    this.#secondsPerPoint *= 2;
  }
}

class Rate implements Track {
  readonly title: string;
  readonly unit: string;
  readonly #name: string;
  readonly #read: () => number | undefined;
  readonly #scale: number;
  readonly #points: (number | undefined)[] = [];
  #before: number | undefined;

  constructor(title: string, unit: string, name: string, read: () => number | undefined, scale: number) {
    this.title = title;
    this.unit = unit;
    this.#name = name;
    this.#read = read;
    this.#scale = scale;
  }

  begin(): void {
    this.#before = this.#read();
  }

  close(): void {
    const before = this.#before;
    const value = this.#before = this.#read();
    if (value === undefined || before === undefined) this.#points.push(undefined);
    else this.#points.push(value >= before ? value - before : value); // below: another process counts from 0
  }

  halve(): void {
    halve(this.#points, (a, b) => a === undefined && b === undefined ? undefined : (a ?? 0) + (b ?? 0));
  }

  series(widths: readonly number[]): Series[] {
    const values = this.#points.map((value, i) => value === undefined ? null : round(value * this.#scale / widths[i]!));
    return [{ name: this.#name, values }];
  }
}

class Gauge implements Track {
  readonly title: string;
  readonly unit: string;
  readonly #name: string;
  readonly #read: () => number | undefined;
  readonly #points: (number | undefined)[] = [];

  constructor(title: string, unit: string, name: string, read: () => number | undefined) {
    this.title = title;
    this.unit = unit;
    this.#name = name;
    this.#read = read;
  }

  begin(): void {}

  close(): void {
    this.#points.push(this.#read());
  }

  halve(): void {
    halve(this.#points, (a, b) => a === undefined ? b : b === undefined ? a : Math.max(a, b));
  }

  series(): Series[] {
    return [{ name: this.#name, values: this.#points.map((value) => value === undefined ? null : round(value)) }];
  }
}

class Latency implements Track {
  readonly title: string;
  readonly unit = "ms";
  readonly now = new Histogram();
  readonly #points: (SparseCounts | undefined)[] = [];

  constructor(title: string) {
    this.title = title;
  }

  begin(): void {
    this.now.take();
  }

  close(): void {
    this.#points.push(this.now.count === 0 ? undefined : this.now.take());
  }

  halve(): void {
    const both = new Histogram();
    halve(this.#points, (a, b) => {
      if (a === undefined || b === undefined) return a ?? b;
      both.add(a);
      both.add(b);
      return both.take();
    });
  }

  series(): Series[] {
    const lines = [["p50", 0.5], ["p99", 0.99], ["p99.9", 0.999]] as const;
    const one = new Histogram();
    const points = this.#points.map((point) => {
      if (point === undefined) return undefined;
      one.add(point);
      const values = lines.map(([, q]) => round(one.quantile(q) / 1000));
      one.take();
      return values;
    });
    return lines.map(([name], i) => ({ name, values: points.map((values) => values?.[i] ?? null) }));
  }
}

/** Each two neighbours become one, in place; an odd last one stays. */
function halve<T>(list: T[], merge: (a: T, b: T) => T): void {
  const pairs = list.length >> 1;
  for (let i = 0; i < pairs; i++) list[i] = merge(list[2 * i]!, list[2 * i + 1]!);
  if (list.length % 2 === 1) list[pairs] = list.at(-1)!;
  list.length = pairs + list.length % 2;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
