/** What one fault did to the clients, in ms from its beginning; taken until the next fault, or the end of the window. */
export interface Recovery {
  /** `kill logic`. */
  readonly name: string;
  /** The longest that a client waited for an answer to a send, or was offline: of all clients, and of half of them. */
  readonly waitedMs: number;
  readonly halfWaitedMs: number;
  /** Until every client that was online had been pushed a message that was sent after the beginning. */
  readonly reachedMs: number;
  /** Clients that were not reached in the window, and that waited at its end for over a second. */
  readonly unreached: number;
  readonly waiting: number;
  /** Connections that were lost in the window. */
  readonly lost: number;
}

interface Open {
  readonly name: string;
  readonly atMs: number;
  /** The longest wait of each client. */
  readonly worstMs: Map<string, number>;
  /** Since when clients wait. */
  readonly sinceMs: Map<string, number>;
  readonly reachedMs: Map<string, number>;
  lost: number;
}

const LONG_MS = 1_000;

/** Watches how long clients wait for answers and pushes after each fault. Times are of one clock, in ms. */
export class RecoveryMeter {
  readonly done: Recovery[] = [];
  #open: Open | undefined;

  /** A fault begins; `clients` are online, and some of them wait for an answer. Ends the window of the one before. */
  begin(name: string, clients: readonly { readonly account: string; readonly waiting: number }[], nowMs: number): void {
    this.end(nowMs);
    const worstMs = new Map(clients.map(({ account }) => [account, 0]));
    const sinceMs = new Map(clients.filter(({ waiting }) => waiting > 0).map(({ account }) => [account, nowMs]));
    this.#open = { name, atMs: nowMs, worstMs, sinceMs, reachedMs: new Map(), lost: 0 };
  }

  /** A client sends something. */
  sent(client: string, nowMs: number): void {
    const open = this.#open;
    if (open?.worstMs.has(client) && !open.sinceMs.has(client)) open.sinceMs.set(client, nowMs);
  }

  /** A send of a client was answered. */
  acked(client: string, nowMs: number): void {
    const sinceMs = this.#open?.sinceMs.get(client);
    if (sinceMs === undefined) return;
    this.#open!.sinceMs.delete(client);
    this.#waited(client, nowMs - sinceMs);
  }

  /** A message that was sent at `sentMs` appeared on a client's screen. */
  shown(client: string, sentMs: number, nowMs: number): void {
    const open = this.#open;
    if (open === undefined || sentMs < open.atMs || open.reachedMs.has(client) || !open.worstMs.has(client)) return;
    open.reachedMs.set(client, nowMs - open.atMs);
  }

  /** A client's connection is gone: it waits until its next answer. */
  lost(client: string, nowMs: number): void {
    if (this.#open === undefined) return;
    this.#open.lost++;
    this.sent(client, nowMs);
  }

  /** The window ends. */
  end(nowMs: number): void {
    const open = this.#open;
    if (open === undefined) return;
    for (const [client, sinceMs] of open.sinceMs) this.#waited(client, nowMs - sinceMs);
    this.#open = undefined;
    const worst = [...open.worstMs.values()].sort((a, b) => a - b);
    this.done.push({
      name: open.name,
      waitedMs: Math.round(worst.at(-1) ?? 0),
      halfWaitedMs: Math.round(worst[worst.length >> 1] ?? 0),
      reachedMs: Math.round(Math.max(0, ...open.reachedMs.values())),
      unreached: open.worstMs.size - open.reachedMs.size,
      waiting: [...open.sinceMs.values()].filter((sinceMs) => nowMs - sinceMs > LONG_MS).length,
      lost: open.lost,
    });
  }

  #waited(client: string, ms: number): void {
    const worstMs = this.#open!.worstMs;
    if (ms > (worstMs.get(client) ?? Infinity)) worstMs.set(client, ms);
  }
}

/** The recoveries of one name, in a line: how often, and the worst. */
export function recoveryRows(recoveries: readonly Recovery[]): [string, string][] {
  const names = [...new Set(recoveries.map(({ name }) => name))].sort();
  return names.map((name) => {
    const all = recoveries.filter((one) => one.name === name);
    const waited = all.map(({ waitedMs }) => waitedMs);
    const half = all.map(({ halfWaitedMs }) => halfWaitedMs);
    const lost = all.reduce((sum, one) => sum + one.lost, 0);
    const unreached = all.reduce((sum, one) => sum + one.unreached, 0);
    const waiting = all.reduce((sum, one) => sum + one.waiting, 0);
    return [
      name,
      `${all.length}x; longest wait for an answer: ${median(waited)} (worst ${seconds(Math.max(...waited))}), ` +
      `half of the clients ${median(half)}; pushed again after ${median(all.map((one) => one.reachedMs))} (worst ${
        seconds(Math.max(...all.map((one) => one.reachedMs)))
      })${unreached > 0 ? `, ${unreached} not before the next` : ""}; ` +
      `${lost} connections lost` + (waiting > 0 ? `; ${waiting} clients still waited at the next` : ""),
    ];
  });
}

function median(list: readonly number[]): string {
  return seconds([...list].sort((a, b) => a - b)[list.length >> 1] ?? 0);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
