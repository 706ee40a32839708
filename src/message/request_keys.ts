import type { RequestKey } from "./message_store.ts";

/** How long the answers of a channel that is silent are remembered, at least; at most twice as long. */
export const REMEMBER_MS = 600_000;
/** Answers remembered in all (about 60 MB), and read back at a start; above, the channel silent longest goes. */
export const REMEMBER_MOST = 200_000;

interface Scope<Answer> {
  low: number;
  usedMs: number;
  /** When it was put at the end of the list. */
  placedMs: number;
  /** By `n`; inserted in about that order. */
  readonly answers: Map<number, Answer>;
}

/**
 * The first answers of requests that may come again on an inner hop: per scope those with n >= low, for 10 minutes. An
 * answer may be that the request was refused for good.
 * Time is handed in as ms that only grow.
 */
export class RequestKeys<Answer> {
  readonly #silentMs: number;
  readonly #most: number;
  /** By `placedMs`; one that was used since then moves to the end when it would go. */
  readonly #scopes = new Map<string, Scope<Answer>>();
  #size = 0;

  constructor(silentMs = REMEMBER_MS, most = REMEMBER_MOST) {
    this.#silentMs = silentMs;
    this.#most = most;
  }

  /** Answers remembered. */
  get size(): number {
    return this.#size;
  }

  /**
   * The first answer; undefined: this request is new. "answered": it is below the scope's `low`, so its sender had an
   * answer, and storing it would store it twice. hot: per message
   */
  find(key: RequestKey): Answer | "answered" | undefined {
    const scope = this.#scopes.get(key.scope);
    if (!scope) return undefined;
    return scope.answers.get(key.n) ?? (key.n < scope.low ? "answered" : undefined);
  }

  /** The answers of requests of its scope that came after it. */
  *after(key: RequestKey): Iterable<Answer> {
    for (const [n, answer] of this.#scopes.get(key.scope)?.answers ?? []) if (n > key.n) yield answer;
  }

  /** Remembers an answer and drops those of its scope below `low`. hot: per message */
  add(key: RequestKey, answer: Answer, nowMs: number): void {
    let scope = this.#scopes.get(key.scope);
    if (!scope) {
      scope = { low: 0, usedMs: nowMs, placedMs: nowMs, answers: new Map() };
      this.#scopes.set(key.scope, scope);
    }
    scope.usedMs = nowMs;
    if (key.low > scope.low) this.#raise(scope, key.low);
    if (!scope.answers.has(key.n)) this.#size++;
    scope.answers.set(key.n, answer);
    this.#dropOld(nowMs);
  }

  /** Takes an answer back: its commit failed. */
  forget(key: RequestKey): void {
    const scope = this.#scopes.get(key.scope);
    if (!scope?.answers.delete(key.n)) return;
    this.#size--;
    if (scope.answers.size === 0) this.#scopes.delete(key.scope);
  }

  #raise(scope: Scope<Answer>, low: number): void {
    scope.low = low;
    for (const n of scope.answers.keys()) {
      if (n >= low) break; // one that came out of order stays until those before it go
      scope.answers.delete(n);
      this.#size--;
    }
  }

  #dropOld(nowMs: number): void {
    for (const [name, scope] of this.#scopes) {
      if (this.#size <= this.#most && nowMs - scope.placedMs <= this.#silentMs) break;
      this.#scopes.delete(name);
      if (scope.usedMs > scope.placedMs) {
        scope.placedMs = nowMs;
        this.#scopes.set(name, scope);
      } else {
        this.#size -= scope.answers.size;
      }
    }
  }
}
