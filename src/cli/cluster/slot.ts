import { Backoff } from "../../base/backoff.ts";
import { sleep, systemClock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import { Child, type Ended } from "./child.ts";
import type { Place } from "./plan.ts";
import { fellSilent } from "./silence.ts";

/** What a place tells while it is watched. */
export interface SlotEvents {
  /** Something for people: a line of the process, or what happened to it. */
  line(name: string, text: string): void;
  /** Other processes run there now. */
  changed(): void;
}

const LOOK_MS = 50;
/** A process that does not become ready in this time did not start. */
const READY_MS = 60_000;
/** A process that ran this long is not thought to fail at its start. */
const STEADY_MS = 10_000;

/**
 * Keeps one process running at its place: one that ends by itself is started again, soon at first and then less often. One
 * that answers nothing any more is ended.
 *
 *   start ──► running ──ends──► waiting ──► running …
 *                │ replace: another one, on its other addresses, then the old one stops
 *                └ stop ──► over
 */
export class Slot {
  readonly place: Place;
  readonly #events: SlotEvents;
  readonly #newId: () => string;
  readonly #silenceMs: number;
  /** The one that is meant to run, or is about to. */
  #current: Child | undefined;
  /** Every process that has not ended. */
  readonly #alive = new Set<Child>();
  #turn: 0 | 1 = 0;
  #stopping = false;

  /** @param silenceMs for so long a process may answer nothing; 0: for ever. */
  constructor(place: Place, newId: () => string, silenceMs: number, events: SlotEvents) {
    this.place = place;
    this.#newId = newId;
    this.#silenceMs = silenceMs;
    this.#events = events;
  }

  /** The processes there, the one that others should use last. */
  get children(): readonly Child[] {
    return [...this.#alive];
  }

  /** The first process; from then on it is watched. @throws {ImError} CONFIG: it ended before it was ready. */
  async start(): Promise<void> {
    const child = this.#launch();
    await this.#ready(child);
    void this.#watch(child);
  }

  /**
   * Another process in place of this one: started first where two can run side by side, and then what is returned stops the
   * old one. @throws {ImError} CONFIG
   */
  async replace(): Promise<() => Promise<void>> {
    const old = this.#current;
    const stopOld = async (): Promise<void> => {
      if (!old || old.isOver) return;
      this.#events.line(this.place.name, `asked to stop: ${old.id}`);
      await old.stop();
    };
    this.#current = undefined; // its end is not to be mended
    if (!this.place.sideBySide) await stopOld();
    if (this.#stopping) return stopOld;
    const next = this.#launch();
    try {
      await this.#ready(next);
    } catch (thrown) {
      if (old && !old.isOver) {
        next.kill();
        this.#current = old;
      } else void this.#watch(next);
      throw thrown;
    }
    void this.#watch(next);
    return stopOld;
  }

  /** Asks what runs there to stop, and waits for the end. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#alive].map((child) => child.stop()));
  }

  kill(): void {
    this.#stopping = true;
    for (const child of this.#alive) child.kill();
  }

  #launch(): Child {
    const { name, role } = this.place;
    this.#turn = this.#turn === 0 ? 1 : 0;
    const id = this.#newId();
    const run = this.place.run(this.#turn);
    const env = role === "upstash" ? run.env : { ...run.env, PETREL_SERVICE_ID: id };
    const child = new Child({ ...run, env }, id, (text) => this.#events.line(name, text));
    this.#current = child;
    this.#alive.add(child);
    void child.ended.then(() => {
      this.#alive.delete(child);
      this.#events.changed();
    });
    this.#events.changed();
    return child;
  }

  /** @throws {ImError} CONFIG */
  async #ready(child: Child): Promise<void> {
    const untilMs = systemClock.mono() + READY_MS;
    while (!await child.isReady()) {
      if (this.#stopping) return;
      if (child.isOver) {
        const words = child.lastWords().map((line) => `\n  ${line}`).join("");
        throw new ImError(
          "CONFIG",
          `Cannot start ${this.place.name}: it ended with ${howOf(await child.ended)}${words}`,
        );
      }
      if (systemClock.mono() > untilMs) {
        const why = await child.problem();
        throw new ImError("CONFIG", `Cannot start ${this.place.name}: not ready after ${READY_MS / 1_000} s: ${why}`);
      }
      await sleep(systemClock, LOOK_MS);
    }
  }

  /** Until it ends. One that is replaced or stopped has its own time for that. */
  async #listen(child: Child, startMs: number): Promise<void> {
    const mostMs = this.#silenceMs;
    if (mostMs === 0) return;
    while (await fellSilent(child, { clock: systemClock, mostMs, startMs })) {
      if (this.#stopping || this.#current !== child) continue;
      const { readyUrl } = child.run;
      this.#events.line(this.place.name, `no answer from ${readyUrl} for ${mostMs / 1_000} s: ending it`);
      child.kill();
      return;
    }
  }

  /** Until it is replaced or stopped, what ends is started again. */
  async #watch(first: Child): Promise<void> {
    const backoff = new Backoff(() => 0.999, { baseMs: 100, maxMs: 10_000 });
    void this.#listen(first, 0);
    for (let child = first;;) {
      const ended = await child.ended;
      if (this.#stopping || this.#current !== child) return;
      if (systemClock.now() - child.since.getTime() > STEADY_MS) backoff.reset();
      const waitMs = backoff.next();
      this.#events.line(this.place.name, `ended with ${howOf(ended)}: starting again in ${waitMs} ms`);
      await sleep(systemClock, waitMs);
      if (this.#stopping || this.#current !== child) return;
      child = this.#launch();
      void this.#listen(child, READY_MS);
    }
  }
}

function howOf({ code, signal }: Ended): string {
  return signal ?? `code ${code}`;
}
