import type { Clock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";

/** Where the 41 bits of milliseconds start: 2010-11-04T01:42:54.657Z, in ms since 1970. */
export const SNOWFLAKE_EPOCH_MS = 1_288_834_974_657;
/** Node numbers are 0 to this. */
export const MAX_NODE = 1023;

const MAX_SEQUENCE = 4095;
const MAX_MS = 2 ** 41 - 1;

/** A node number that may end, or become another one: of a lease (session/node_lease.ts). */
export interface NodeNumber {
  /** 0 to 1023. @throws {ImError} SYSTEM: there is none now. */
  readonly node: number;
  /** Ms since 1970: every id of this node is later. */
  readonly afterMs: number;
  /** Ms since 1970: no id of this node is later. */
  readonly untilMs: number;
  /** Ms since 1970, used in place of the clock. */
  now(): number;
  /** Ids want to go further than `untilMs`, to this time: it should be raised. */
  want(ms: number): void;
}

/**
 * Ids that only grow: 41 bits of ms since the epoch, 10 of node, 12 of sequence. Never waits: when the sequence of a
 * millisecond is spent it takes the next one early, and when the clock jumps back it counts on from the last id.
 */
export class Snowflake {
  readonly #source: NodeNumber;
  #node = -1;
  #afterMs = 0;
  readonly #view = new DataView(new ArrayBuffer(8));
  #ms: number;
  #sequence = MAX_SEQUENCE;

  /** @param last the highest id used before, by any node; every new id is above it. */
  constructor(clock: Pick<Clock, "now">, node: number | NodeNumber, last = 0n) {
    if (typeof node === "number" && (!Number.isInteger(node) || node < 0 || node > MAX_NODE)) {
      throw new RangeError(`Cannot make ids: node is ${node}, must be 0 to ${MAX_NODE}`);
    }
    this.#source = typeof node === "number"
      ? { node, afterMs: 0, untilMs: Infinity, now: () => clock.now(), want() {} }
      : node;
    this.#ms = Number(last >> 22n);
    if (this.#ms + SNOWFLAKE_EPOCH_MS > this.#source.untilMs) this.#source.want(this.#ms + SNOWFLAKE_EPOCH_MS);
  }

  /** hot: per message. @throws {ImError} SYSTEM: its node number has ended, until there is another one. */
  next(): bigint {
    const source = this.#source;
    const { node, afterMs } = source;
    if (node !== this.#node || afterMs !== this.#afterMs) this.#change(node, afterMs);
    const now = Math.floor(source.now()) - SNOWFLAKE_EPOCH_MS;
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
    if (this.#ms > source.untilMs - SNOWFLAKE_EPOCH_MS) {
      source.want(this.#ms + SNOWFLAKE_EPOCH_MS);
      throw new ImError("SYSTEM", "Cannot make id: the time that its node number is leased for is spent");
    }
    this.#view.setUint32(0, Math.floor(this.#ms / 1024));
    this.#view.setUint32(4, ((this.#ms % 1024) << 22) | (node << 12) | this.#sequence);
    return this.#view.getBigInt64(0);
  }

  /** The next id is in a later millisecond than every one before: with a lower node number it would be below them. */
  #change(node: number, afterMs: number): void {
    [this.#node, this.#afterMs] = [node, afterMs];
    this.#ms = Math.max(this.#ms, afterMs - SNOWFLAKE_EPOCH_MS);
    this.#sequence = MAX_SEQUENCE;
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
