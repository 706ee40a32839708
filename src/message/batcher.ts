import type { Clock, Timer } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import { Counter, Histogram, type Metrics } from "../base/metrics.ts";
import type { Appended, AppendRequest, AppendResult, MessageStore } from "./message_store.ts";

const BATCH = 256;
/** Acks that go with one batch: as many as fit its transaction. */
const ACKS = 500;
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256] as const;
/** Roughly what a waiting request takes beside its texts. */
const OVERHEAD_BYTES = 200;
/** How often waiting requests are looked at while a commit takes long. */
const LATE_CHECK_MS = 250;

export interface BatcherOptions {
  readonly clock: Clock;
  readonly metrics?: Metrics | undefined;
  /** Waiting messages, default 50,000; also the limit for waiting acks (of different devices). */
  readonly maxCount?: number | undefined;
  /** Memory of waiting messages, default 16 MiB. */
  readonly maxBytes?: number | undefined;
}

interface Settle {
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: ImError) => void;
}

/** What goes to the store in one call; both lists have one entry per message. */
interface Batch {
  requests: AppendRequest[];
  settles: Settle[];
}

interface WaitingAck {
  readonly app: string;
  readonly account: string;
  readonly device: string;
  pos: number;
  readonly promise: Promise<number>;
  readonly resolve: (pos: number) => void;
  readonly reject: (error: ImError) => void;
}

/**
 * In front of a store: what arrives while a commit runs forms the next batch, one batch is in flight, and when nothing
 * runs a batch leaves at the end of the tick. A queue over its limit, or a request that could not start in time, is
 * refused with BUSY. Acks of one device become one, and go with the next batch.
 */
export class Batcher implements AsyncDisposable {
  readonly #store: MessageStore;
  readonly #clock: Clock;
  readonly #maxCount: number;
  readonly #maxBytes: number;
  /** Full batches, and the one that is being filled, last. */
  #batches: Batch[] = [];
  #acks = new Map<string, WaitingAck>();
  #count = 0;
  #bytes = 0;
  #state: "idle" | "waiting for the end of the tick" | "in flight" = "idle";
  #lateCheck: Timer | undefined;
  #closing: PromiseWithResolvers<void> | undefined;
  readonly #sizes: Histogram;
  readonly #seconds: Histogram;
  readonly #refused: Counter;

  constructor(store: MessageStore, options: BatcherOptions) {
    const { clock, metrics } = options;
    this.#store = store;
    this.#clock = clock;
    this.#maxCount = options.maxCount ?? 50_000;
    this.#maxBytes = options.maxBytes ?? 16 << 20;
    this.#sizes = metrics?.histogram("petrel_store_batch_size", "Messages per call to the store", {}, SIZES) ??
      new Histogram(SIZES);
    this.#seconds = metrics?.histogram("petrel_store_commit_seconds", "Time of a call to the store") ??
      new Histogram([]);
    this.#refused = metrics?.counter("petrel_store_refused_total", "Messages refused: queue full or too late") ??
      new Counter();
    metrics?.gauge("petrel_store_queue_messages", "Messages waiting for the store", () => this.#count);
    metrics?.gauge("petrel_store_queue_bytes", "Memory of waiting messages", () => this.#bytes);
    metrics?.gauge("petrel_store_queue_acks", "Read positions waiting for the store", () => this.#acks.size);
  }

  /**
   * Resolves when durable. Rejects with BUSY (not stored: full, or could not start by `startBy`), with what the store
   * answered, or with CLOSED. hot: per message
   */
  append(request: AppendRequest): Promise<Appended> {
    return new Promise((resolve, reject) => {
      const refusal = this.#full(request);
      if (refusal) return reject(refusal);
      let batch = this.#batches.at(-1);
      if (!batch || batch.requests.length === BATCH) this.#batches.push(batch = { requests: [], settles: [] });
      batch.requests.push(request);
      batch.settles.push({ resolve, reject });
      this.#count++;
      this.#bytes += bytesOf(request);
      this.#wake();
    });
  }

  /** As the store's `ack`; rejects with BUSY when too many devices wait. */
  ack(app: string, account: string, device: string, pos: number): Promise<number> {
    const name = `${app}/${account}/${device}`;
    let waiting = this.#acks.get(name);
    if (!waiting) {
      if (this.#closing) return Promise.reject(closed());
      if (this.#acks.size >= this.#maxCount) return Promise.reject(new ImError("BUSY", "Cannot ack: queue is full"));
      waiting = { app, account, device, pos, ...Promise.withResolvers<number>() };
      this.#acks.set(name, waiting);
      this.#wake();
    }
    if (pos > waiting.pos) waiting.pos = pos;
    return waiting.promise;
  }

  /** Refuses what comes from now on; resolves when everything before has been answered. The store stays open. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= Promise.withResolvers<void>();
    if (this.#state === "idle") this.#closing.resolve();
    await this.#closing.promise;
  }

  #full(request: AppendRequest): ImError | undefined {
    if (this.#closing) return closed();
    if (request.again || (this.#count < this.#maxCount && this.#bytes < this.#maxBytes)) return undefined;
    this.#refused.inc();
    return new ImError("BUSY", `Cannot store message: ${this.#count} are waiting`);
  }

  #wake(): void {
    if (this.#state !== "idle") return;
    this.#state = "waiting for the end of the tick";
    this.#clock.endOfTick(() => void this.#send());
  }

  /** hot: per batch */
  async #send(): Promise<void> {
    this.#state = "in flight";
    const batch = this.#batches.shift() ?? { requests: [], settles: [] };
    this.#count -= batch.requests.length;
    for (const request of batch.requests) this.#bytes -= bytesOf(request);
    this.#lateCheck ??= this.#clock.every(LATE_CHECK_MS, () => this.#refuseLate());
    const started = this.#clock.mono();
    const acks = this.#sendAcks();
    const results = await this.#append(batch.requests);
    if (batch.requests.length === 0) await acks; // a message's answer does not wait for them
    this.#seconds.observe((this.#clock.mono() - started) / 1000);
    this.#sizes.observe(batch.requests.length);
    this.#next();
    for (let i = 0; i < results.length; i++) settle(batch.settles[i]!, results[i]!);
  }

  async #append(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
    try {
      return requests.length === 0 ? [] : await this.#store.append(requests);
    } catch (thrown) {
      const error = ImError.from(thrown, "Cannot store message");
      return requests.map(() => error);
    }
  }

  /** Called before the append, so that both are in the store's hands in the same turn. Never rejects. */
  #sendAcks(): Promise<unknown> | undefined {
    if (this.#acks.size === 0) return undefined;
    const acks: WaitingAck[] = [];
    for (const [name, one] of this.#acks) {
      if (acks.length === ACKS) break;
      acks.push(one);
      this.#acks.delete(name);
    }
    return Promise.all(acks.map((one) =>
      this.#store.ack(one.app, one.account, one.device, one.pos).then(
        one.resolve,
        (thrown: unknown) => one.reject(ImError.from(thrown, "Cannot ack")),
      )
    ));
  }

  #next(): void {
    if (this.#batches.length > 0 || this.#acks.size > 0) return void this.#send();
    this.#state = "idle";
    this.#lateCheck?.stop();
    this.#lateCheck = undefined;
    this.#closing?.resolve();
  }

  /** A commit takes long: what should have started by now is refused, unless it may be stored already. */
  #refuseLate(): void {
    const now = this.#clock.mono();
    const late = (request: AppendRequest) => now > request.startBy && !request.again;
    for (const batch of this.#batches) {
      if (!batch.requests.some(late)) continue;
      const { requests, settles } = batch;
      batch.requests = requests.filter((one) => !late(one));
      batch.settles = settles.filter((_, i) => !late(requests[i]!));
      for (const [i, request] of requests.entries()) {
        if (!late(request)) continue;
        this.#count--;
        this.#bytes -= bytesOf(request);
        this.#refused.inc();
        settles[i]!.reject(new ImError("BUSY", "Cannot store message: too late to start"));
      }
    }
    this.#batches = this.#batches.filter((batch) => batch.requests.length > 0);
  }
}

function settle({ resolve, reject }: Settle, result: AppendResult): void {
  if (result instanceof ImError) reject(result);
  else resolve(result);
}

function bytesOf(request: AppendRequest): number {
  return OVERHEAD_BYTES + 2 * (request.body.length + request.extra.length);
}

function closed(): ImError {
  return new ImError("CLOSED", "Cannot store: the server is stopping");
}
