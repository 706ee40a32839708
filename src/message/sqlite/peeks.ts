import type { Clock } from "../../base/clock.ts";
import type { InboxRange } from "../message_store.ts";
import { closed } from "./job_queue.ts";
import type { Lane } from "./lane.ts";
import { ASK, packRange } from "./messages.ts";
import { type Peek, readPeek } from "./pages.ts";
import { Packer } from "./wire.ts";

/** Most logs in one look at the writer's memory. */
const PEEKS = 1_000;

interface WaitingPeek {
  readonly app: string;
  readonly kind: number;
  readonly name: string;
  readonly range: InboxRange;
  readonly resolve: (peek: Peek | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Looks into the writer's memory, those of one tick together. */
export class Peeks {
  readonly #writer: Lane;
  readonly #clock: Clock;
  #waiting: WaitingPeek[] = [];
  #closed = false;

  constructor(writer: Lane, clock: Clock) {
    this.#writer = writer;
    this.#clock = clock;
  }

  /** What waits of a log, as far as it is in the range; undefined: the database has all there is. */
  peek(app: string, kind: number, name: string, range: InboxRange): Promise<Peek | undefined> {
    if (this.#closed) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ app, kind, name, range, resolve, reject });
      if (this.#waiting.length === 1) this.#clock.endOfTick(() => this.#send());
    });
  }

  /** Asks for what waits, and refuses what comes from now on. */
  close(): void {
    this.#closed = true;
    this.#send();
  }

  #send(): void {
    const all = this.#waiting;
    this.#waiting = [];
    for (let at = 0; at < all.length; at += PEEKS) void this.#sendSome(all.slice(at, at + PEEKS));
  }

  async #sendSome(peeks: readonly WaitingPeek[]): Promise<void> {
    try {
      const request = new Packer();
      request.u8(ASK.peek);
      request.i32(peeks.length);
      for (const { app, kind, name, range } of peeks) {
        request.text(app);
        request.u8(kind);
        request.text(name);
        packRange(request, range);
      }
      const reply = await this.#writer.call(request);
      for (const one of peeks) one.resolve(readPeek(reply));
    } catch (error) {
      for (const one of peeks) one.reject(error);
    }
  }
}
