const SUB_BITS = 7; // 128 steps per power of two: a figure is at most 0.8 % too high
const STEPS = 1 << SUB_BITS;
const MAX_VALUE = 0x7fffffff;

/**
 * Counts of durations in whole microseconds, 0 to 2^31 - 1 (36 minutes; longer ones count as that). Fixed memory
 * whatever is recorded: log-linear buckets, 128 per power of two.
 */
export class Histogram {
  readonly #counts = new Float64Array(((31 - SUB_BITS) << SUB_BITS) + STEPS);
  #count = 0;
  #max = 0;
  #sum = 0;

  /** How many were recorded. */
  get count(): number {
    return this.#count;
  }

  /** The largest one, exactly. */
  get max(): number {
    return this.#max;
  }

  /** The average, exactly; 0 when nothing was recorded. */
  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  // hot: twice per message
  record(us: number): void {
    let value = us < 0 ? 0 : us > MAX_VALUE ? MAX_VALUE : us | 0;
    if (value > this.#max) this.#max = value;
    this.#sum += value;
    this.#count++;
    if (value >= STEPS << 1) {
      const shift = 31 - SUB_BITS - Math.clz32(value);
      value = (shift << SUB_BITS) + (value >>> shift);
    }
    this.#counts[value]!++;
  }

  /** The smallest value that at least the share `q` (0 to 1) does not exceed, in microseconds; 0 when empty. */
  quantile(q: number): number {
    const wanted = Math.max(1, Math.ceil(this.#count * q));
    let seen = 0;
    for (let i = 0; i < this.#counts.length; i++) {
      seen += this.#counts[i]!;
      if (seen >= wanted) return Math.min(upperEdge(i), this.#max);
    }
    return this.#max;
  }

  /** Gives what was recorded, in the memory that it needs, and forgets it. */
  take(): SparseCounts {
    const buckets: number[] = [];
    for (let i = 0; i < this.#counts.length; i++) {
      if (this.#counts[i]! > 0) buckets.push(i, this.#counts[i]!);
    }
    const taken = { buckets: Float64Array.from(buckets), max: this.#max, sum: this.#sum };
    this.#counts.fill(0);
    this.#count = this.#max = this.#sum = 0;
    return taken;
  }

  /** Counts what was taken as if it were recorded here. */
  add({ buckets, max, sum }: SparseCounts): void {
    for (let i = 0; i < buckets.length; i += 2) {
      this.#counts[buckets[i]!]! += buckets[i + 1]!;
      this.#count += buckets[i + 1]!;
    }
    this.#max = Math.max(this.#max, max);
    this.#sum += sum;
  }

  /** What a report shows, in milliseconds. */
  summary(): LatencySummary {
    const ms = (us: number) => Math.round(us) / 1000;
    return {
      count: this.#count,
      mean: ms(this.mean),
      p50: ms(this.quantile(0.5)),
      p99: ms(this.quantile(0.99)),
      p999: ms(this.quantile(0.999)),
      max: ms(this.#max),
    };
  }
}

/** What a histogram held: pairs of bucket and count, the largest value, the sum. */
export interface SparseCounts {
  readonly buckets: Float64Array;
  readonly max: number;
  readonly sum: number;
}

/** Latencies in milliseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

function upperEdge(index: number): number {
  if (index < STEPS << 1) return index;
  const shift = (index >>> SUB_BITS) - 1;
  return ((index & (STEPS - 1)) + STEPS + 1) * 2 ** shift - 1;
}
