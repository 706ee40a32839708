/** The requests under way, so that a stop can wait for them. */
export class Requests {
  #open = 0;
  #stopping = false;
  #idle: (() => void) | undefined;

  get open(): number {
    return this.#open;
  }

  /** After `drain` nothing new is begun. */
  get stopping(): boolean {
    return this.#stopping;
  }

  async during<T>(run: () => Promise<T>): Promise<T> {
    this.#open++;
    try {
      return await run();
    } finally {
      if (--this.#open === 0) this.#idle?.();
    }
  }

  /** Resolves when what was begun has been answered. */
  drain(): Promise<void> {
    this.#stopping = true;
    return this.#open === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle = resolve);
  }
}
