import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import { readError, REPLY } from "./messages.ts";
import type { Role } from "./role.ts";
import { answer, openRole, type Settings } from "./roles.ts";
import { type Packer, Unpacker } from "./wire.ts";

/** The way to a role: requests are carried out and answered in the order they are made. */
export interface Lane {
  /**
   * The reply, behind its first byte. Rejects with what the role threw. Never settles after the role stopped without
   * an answer; `stopped` was called then.
   */
  call(request: Packer): Promise<Unpacker>;
  /** Answers what was asked, then lets go of everything. */
  close(): Promise<void>;
}

export interface LaneOptions {
  /** A Worker of its own (with the system's clock), or in the calling thread. */
  readonly threads: boolean;
  readonly clock: Clock;
  /** The role is gone, and nobody can say what became of its last request. Called once. */
  readonly stopped: (why: Error) => void;
}

/** Requests in one message to a thread; the replies come in one message, so the first waits for the last. */
const GATHERED = 16;

/** @throws {ImError} CONFIG */
export function openLane(settings: Settings, options: LaneOptions): Promise<Lane> {
  return options.threads ? WorkerLane.open(settings, options) : InlineLane.open(settings, options);
}

interface Waiting {
  readonly resolve: (reply: Unpacker) => void;
  readonly reject: (error: ImError) => void;
}

/**
 * A message to a thread costs more than most reads, for it wakes the thread: what one tick asks of a reader travels
 * together, and so do the answers. A writer's requests are gathered before they come here, and its answers must not
 * wait for a commit that follows them.
 */
class WorkerLane implements Lane {
  readonly #worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  readonly #stopped: (why: Error) => void;
  readonly #clock: Clock;
  /** Oldest first: replies come in the order of requests. */
  readonly #waiting: Waiting[] = [];
  /** How many requests travel together at most. */
  readonly #most: number;
  /** Made in this tick, to be sent at its end. */
  #gathered: ArrayBuffer[] = [];
  readonly #closed = Promise.withResolvers<void>();
  #state: "opening" | "open" | "stopped" | "closing" = "opening";

  static async open(settings: Settings, options: LaneOptions): Promise<Lane> {
    const lane = new WorkerLane(settings.role === "reader" ? GATHERED : 1, options);
    try {
      await lane.#first(settings);
      lane.#state = "open";
      return lane;
    } catch (thrown) {
      lane.#worker.terminate();
      throw thrown;
    }
  }

  private constructor(most: number, { clock, stopped }: LaneOptions) {
    this.#most = most;
    this.#clock = clock;
    this.#stopped = stopped;
    this.#worker.onmessage = (event: MessageEvent<unknown>) => this.#received(event.data);
    this.#worker.onerror = (event: ErrorEvent) => {
      event.preventDefault();
      this.#stop(new Error(`Store thread ended: ${event.message}`));
    };
  }

  call(request: Packer): Promise<Unpacker> {
    if (this.#state !== "open") return Promise.reject(refusal(this.#state));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (this.#gathered.push(request.buffer) === this.#most) this.#send();
      else if (this.#gathered.length === 1) this.#clock.endOfTick(() => this.#send());
    });
  }

  async close(): Promise<void> {
    if (this.#state === "open") {
      this.#state = "closing";
      this.#send();
      this.#worker.postMessage(null);
      await this.#closed.promise;
    }
    this.#worker.terminate();
  }

  #first(settings: Settings): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(settings);
    });
  }

  #send(): void {
    const requests = this.#gathered;
    if (requests.length === 0) return;
    this.#gathered = [];
    this.#worker.postMessage(requests, requests);
  }

  #received(data: unknown): void {
    if (!Array.isArray(data)) return this.#closed.resolve();
    for (const one of data) if (one instanceof ArrayBuffer) this.#answered(one);
  }

  #answered(data: ArrayBuffer): void {
    const reply = new Unpacker(data);
    const kind = reply.u8();
    if (kind === REPLY.fatal) return this.#stop(readError(reply));
    const waiting = this.#waiting.shift();
    if (kind === REPLY.ok) waiting?.resolve(reply);
    else waiting?.reject(readError(reply));
  }

  #stop(why: Error): void {
    if (this.#state === "stopped") return;
    this.#closed.resolve();
    if (this.#state === "opening") this.#waiting[0]?.reject(new ImError("CONFIG", why.message));
    else this.#stopped(why);
    this.#state = "stopped";
  }
}

class InlineLane implements Lane {
  readonly #stopped: (why: Error) => void;
  readonly #role: Role;
  #state: "open" | "stopped" | "closing" = "open";

  static open(settings: Settings, { clock, stopped }: LaneOptions): Promise<Lane> {
    return Promise.resolve().then(() => new InlineLane(openRole(settings, clock), stopped));
  }

  private constructor(role: Role, stopped: (why: Error) => void) {
    this.#role = role;
    this.#stopped = stopped;
  }

  async call(request: Packer): Promise<Unpacker> {
    if (this.#state === "open") await undefined; // as late as a thread's answer at least
    if (this.#state !== "open") throw refusal(this.#state);
    const { reply, stopped } = answer(this.#role, new Unpacker(request.buffer));
    const from = new Unpacker(reply.buffer);
    const kind = from.u8();
    if (kind === REPLY.ok) return from;
    const error = readError(from);
    if (!stopped) throw error;
    this.#state = "stopped";
    this.#stopped(error);
    return new Promise(() => {});
  }

  async close(): Promise<void> {
    await undefined; // calls made before are carried out first
    if (this.#state !== "closing") this.#role[Symbol.dispose]();
    this.#state = "closing";
  }
}

function refusal(state: "opening" | "stopped" | "closing"): ImError {
  return state === "stopped"
    ? new ImError("SYSTEM", "Cannot ask the store: it has stopped, restart petrel")
    : new ImError("CLOSED", "Cannot ask the store: it is closed");
}
