import type { Clock } from "../base/clock.ts";

/** Waits, until it is told to stop. */
export class Pause {
  readonly #clock: Clock;
  #end: () => void = () => {};
  #stopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Resolves after `ms`, or when it is stopped. One wait at a time. */
  wait(ms: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#clock.after(ms, resolve);
      this.#end = () => {
        timer.stop();
        resolve();
      };
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#end();
  }
}
