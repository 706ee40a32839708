import type { Clock } from "../base/clock.ts";

/** Where the 41 bits of milliseconds start: 2010-11-04T01:42:54.657Z, in ms since 1970. */
export const SNOWFLAKE_EPOCH_MS = 1_288_834_974_657;
/** Node numbers are 0 to this. */
export const MAX_NODE = 1023;

const MAX_SEQUENCE = 4095;
const MAX_MS = 2 ** 41 - 1;

/**
 * Ids that only grow: 41 bits of ms since the epoch, 10 of node, 12 of sequence. Never waits: when the sequence of a
 * millisecond is spent it takes the next one early, and when the clock jumps back it counts on from the last id.
 */
export class Snowflake {
  readonly #clock: Pick<Clock, "now">;
  readonly #nodeBits: number;
  readonly #view = new DataView(new ArrayBuffer(8));
  #ms: number;
  #sequence = MAX_SEQUENCE;

  /** @param last the highest id used before, by any node; every new id is above it. */
  constructor(clock: Pick<Clock, "now">, node: number, last = 0n) {
    if (!Number.isInteger(node) || node < 0 || node > MAX_NODE) {
      throw new RangeError(`Cannot make ids: node is ${node}, must be 0 to ${MAX_NODE}`);
    }
    this.#clock = clock;
    this.#nodeBits = node << 12;
    this.#ms = Number(last >> 22n);
  }

  /** hot: per message */
  next(): bigint {
    const now = Math.floor(this.#clock.now()) - SNOWFLAKE_EPOCH_MS;
    if (now > this.#ms) {
      this.#ms = now;
      this.#sequence = 0;
    } else if (this.#sequence === MAX_SEQUENCE) {
      this.#ms++;
      this.#sequence = 0;
    } else {
      this.#sequence++;
    }
    if (this.#ms > MAX_MS) throw new RangeError("Cannot make id: 41 bits of milliseconds are spent");
    this.#view.setUint32(0, Math.floor(this.#ms / 1024));
    this.#view.setUint32(4, ((this.#ms % 1024) << 22) | this.#nodeBits | this.#sequence);
    return this.#view.getBigInt64(0);
  }
}

/** When the id was made, in ms since 1970. */
export function snowflakeMs(id: bigint): number {
  return Number(id >> 22n) + SNOWFLAKE_EPOCH_MS;
}

/** The smallest id of that millisecond (since 1970): what is below was made earlier. */
export function snowflakeAt(ms: number): bigint {
  return BigInt(Math.max(0, Math.floor(ms) - SNOWFLAKE_EPOCH_MS)) << 22n;
}
