import type { Clock, Timer } from "../../base/clock.ts";
import { ImError, reasonOf } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Socket, SocketEvents } from "../../comm/ports.ts";
import { type Arg, encodeCommands, RedisError, type Reply, ReplyReader } from "./resp.ts";

/** Opens a byte stream to Redis; rejects when nobody answers. */
export type DialRedis = (events: SocketEvents) => Promise<Socket>;

export interface RedisConnOptions {
  readonly dial: DialRedis;
  readonly clock: Clock;
  readonly log: Logger;
  /** Sent first on every new connection: `["AUTH", …]`, `["SELECT", "1"]`. */
  readonly opening?: readonly (readonly string[])[];
  /** So many commands may wait for their replies; more are refused. */
  readonly most?: number;
  /** A connection that answers nothing for so long is dropped. */
  readonly silentMs?: number;
  /** Gets replies that nobody waits for: what a subscription tells. */
  readonly told?: (reply: Reply) => void;
  /** The connection was lost, or never came about. */
  readonly lost?: () => void;
}

interface Waiting {
  readonly resolve: (replies: Reply[]) => void;
  readonly reject: (error: ImError) => void;
  readonly count: number;
  readonly replies: Reply[];
  readonly bytes: number;
  /** The first on its connection: that it is answered says nothing about the others. */
  readonly opening?: true;
}

const MOST = 20_000, MOST_BYTES = 64 << 20;
const SILENT_MS = 10_000;

/**
 * One connection to Redis that all requests share: commands are written as they come, replies come in their order.
 * Made anew when somebody asks after it was lost; what was written to the old one is rejected, it may have been done.
 */
export class RedisConn implements Disposable {
  readonly #options: RedisConnOptions;
  readonly #most: number;
  #socket: Socket | undefined;
  #reader = new ReplyReader();
  #waiting: Waiting[] = [];
  /** First of `#waiting` that has no answer. */
  #first = 0;
  #pending = 0;
  #bytes = 0;
  #unsent: Uint8Array[] = [];
  #dialing = false;
  #flushing = false;
  #generation = 0;
  #heardMs = 0;
  #watch: Timer | undefined;
  #closed = false;
  #problem: string | undefined;

  constructor(options: RedisConnOptions) {
    this.#options = options;
    this.#most = options.most ?? MOST;
  }

  /** Why Redis could not be asked last; undefined: it could. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Commands that have no reply yet. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * The replies of commands that follow each other without others between; errors are RedisError values.
   * @throws {ImError} BUSY: too many wait, nothing was sent. CLOSED: no connection, or it was lost before the last reply.
   */
  send(commands: readonly (readonly Arg[])[]): Promise<Reply[]> {
    // hot: per request
    if (this.#closed) return Promise.reject(new ImError("CLOSED", "Cannot ask Redis: the server stops"));
    if (this.#pending + commands.length > this.#most) {
      return Promise.reject(new ImError("BUSY", `Cannot ask Redis: ${this.#pending} commands wait for their replies`));
    }
    if (commands.length === 0) return Promise.resolve([]);
    const encoded = encodeCommands(commands);
    const bytes = encoded.length;
    if (this.#bytes > 0 && this.#bytes + bytes > MOST_BYTES) {
      return Promise.reject(new ImError("BUSY", `Cannot ask Redis: ${this.#bytes} bytes wait for their replies`));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Reply[]>();
    this.#waiting.push({ resolve, reject, count: commands.length, replies: [], bytes });
    this.#pending += commands.length;
    this.#bytes += bytes;
    this.#unsent.push(encoded);
    if (!this.#socket) this.#connect();
    else if (!this.#flushing) {
      this.#flushing = true;
      queueMicrotask(() => this.#flush());
    }
    return promise;
  }

  /** Drops the connection; what waits is rejected. */
  [Symbol.dispose](): void {
    this.#closed = true;
    this.#lost("the server stops");
  }

  #connect(): void {
    if (this.#dialing) return;
    this.#dialing = true;
    const generation = ++this.#generation;
    const events: SocketEvents = {
      data: (bytes) => generation === this.#generation && this.#data(bytes),
      drained: () => {},
      closed: () => generation === this.#generation && this.#lost("the connection was lost"),
    };
    this.#options.dial(events).then((socket) => {
      if (generation !== this.#generation || this.#closed) return socket.destroy();
      this.#dialing = false;
      this.#socket = socket;
      this.#reader = new ReplyReader();
      this.#heardMs = this.#options.clock.mono();
      this.#open(socket);
      this.#flush();
      this.#listen();
    }, (thrown) => {
      if (generation === this.#generation) this.#lost(reasonOf(thrown));
    });
  }

  /** What must be the first on a connection goes in front of what waits. */
  #open(socket: Socket): void {
    const { opening = [] } = this.#options;
    if (opening.length === 0) return;
    const resolve = (replies: Reply[]) => {
      const error = replies.find((reply) => reply instanceof RedisError);
      if (error) this.#lost(`it refuses us: ${error.message}`);
    };
    this.#waiting.unshift({ resolve, reject() {}, count: opening.length, replies: [], bytes: 0, opening: true });
    this.#pending += opening.length;
    socket.write(encodeCommands(opening));
  }

  #flush(): void {
    this.#flushing = false;
    const socket = this.#socket;
    if (!socket) return;
    const unsent = this.#unsent;
    this.#unsent = [];
    for (const bytes of unsent) socket.write(bytes);
  }

  #data(bytes: Uint8Array): void {
    this.#heardMs = this.#options.clock.mono();
    let replies: Reply[];
    try {
      replies = this.#reader.push(bytes);
    } catch (thrown) {
      return this.#lost(ImError.from(thrown).message);
    }
    for (const reply of replies) this.#reply(reply);
    if (this.#first > 512 && this.#first * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#first);
      this.#first = 0;
    }
  }

  #reply(reply: Reply): void {
    const waiting = this.#waiting[this.#first];
    if (!waiting) return this.#options.told?.(reply);
    if (!waiting.opening) this.#problem = undefined;
    this.#pending--;
    waiting.replies.push(reply);
    if (waiting.replies.length < waiting.count) return;
    this.#first++;
    this.#bytes -= waiting.bytes;
    waiting.resolve(waiting.replies);
  }

  /** Looks now and then whether Redis still answers. */
  #listen(): void {
    const { clock, silentMs = SILENT_MS } = this.#options;
    this.#watch?.stop();
    this.#watch = clock.every(silentMs / 2, () => {
      if (this.#pending === 0) this.#heardMs = clock.mono();
      else if (clock.mono() - this.#heardMs >= silentMs) this.#lost(`it answered nothing for ${silentMs} ms`);
    });
  }

  #lost(why: string): void {
    this.#generation++; // events of the old one come to nobody
    this.#dialing = false;
    this.#watch?.stop();
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
    const waiting = this.#waiting.slice(this.#first);
    this.#waiting = [];
    this.#first = 0;
    this.#pending = 0;
    this.#bytes = 0;
    this.#unsent = [];
    if (!this.#closed && this.#problem === undefined) this.#options.log.warn("redis is out of reach", { why });
    this.#problem = why;
    for (const one of waiting) one.reject(new ImError("CLOSED", `Cannot ask Redis: ${why}`));
    this.#options.lost?.();
  }
}
