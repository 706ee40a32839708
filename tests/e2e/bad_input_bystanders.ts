import { check } from "../../src/load/checker.ts";
import { MemoryHistory } from "../../src/load/history.ts";
import { pool } from "../../src/load/pool.ts";
import type { Verdict } from "../../src/load/verdict.ts";
import { WireClient } from "../../src/load/wire_client.ts";
import { until } from "../support/until.ts";

/** Where a server is reached, and how to log in there. */
export interface Place {
  readonly ws: string;
  readonly tcp: string;
  token(account: string): string;
}

/** Reply latencies of one stretch of time, from the moment each message was due, in ms. */
export interface Figures {
  readonly name: string;
  readonly latencies: readonly number[];
  /** Messages that were answered with another status than 0. */
  readonly refused: number;
}

/** How long the last reply or push of a stretch may take. */
const SETTLE_MS = 10_000;
const CAPS = new Map([["im.caps", "1"]]);

/** The smallest value that at least the share `q` of them does not exceed; 0 when there are none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * q) - 1)] ?? 0;
}

interface Sent {
  latency: number | undefined;
  status: number | undefined;
}

interface Pair {
  readonly sender: WireClient;
  readonly receiver: WireClient;
  /** Texts that were answered Success, in the order they were sent. */
  readonly acked: string[];
}

/**
 * Pairs that talk at a steady pace and must not notice anything: half on WebSocket, half on TCP, half of each our
 * clients, half old ones. What each receiver is pushed must be what its sender's answers promised, in order.
 */
export class Bystanders implements AsyncDisposable {
  readonly #place: Place;
  readonly #history = new MemoryHistory();
  readonly #pairs: Pair[] = [];
  readonly #sent: Sent[] = [];
  readonly #everyMs: number;
  #startMs = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Talks that got no answer. */
  #broken = 0;

  private constructor(place: Place, perSecond: number) {
    this.#place = place;
    this.#everyMs = 1000 / perSecond;
  }

  static async start(place: Place, pairs = 20, perSecond = 50): Promise<Bystanders> {
    const made = new Bystanders(place, perSecond);
    await pool(pairs, 8, async (i) => {
      const [sender, receiver] = await Promise.all([made.#login(i, "send"), made.#login(i, "recv")]);
      if (i % 4 < 2) await receiver.inbox.index(0n); // an old client is live once it has asked for its index
      made.#pairs.push({ sender, receiver, acked: [] });
    });
    made.#startMs = performance.now();
    made.#timer = setInterval(() => made.#tick(), made.#everyMs / 2);
    return made;
  }

  #login(i: number, role: string): Promise<WireClient> {
    const { ws, tcp, token } = this.#place;
    const options = { history: this.#history, ...(i % 4 < 2 ? {} : { meta: CAPS }) };
    return WireClient.login(i % 2 === 0 ? ws : tcp, token(`by-${role}-${i}`), options);
  }

  #tick(): void {
    const due = (performance.now() - this.#startMs) / this.#everyMs;
    while (this.#sent.length < due) void this.#send();
  }

  async #send(): Promise<void> {
    const n = this.#sent.length;
    const one: Sent = { latency: undefined, status: undefined };
    this.#sent.push(one);
    const { sender, receiver, acked } = this.#pairs[n % this.#pairs.length]!;
    const dueMs = this.#startMs + n * this.#everyMs;
    const text = `m${n}`;
    try {
      const { status } = await sender.talk(receiver.account, text);
      one.status = status;
      if (status === 0) acked.push(text);
    } catch {
      this.#broken++; // counted, and judged by whoever asks for figures
    }
    one.latency = performance.now() - dueMs;
  }

  /** Begins a stretch; the function given back ends it, once everything sent in it has arrived. */
  stretch(name: string): () => Promise<Figures> {
    const from = this.#sent.length;
    return async () => {
      const to = this.#sent.length;
      const some = this.#sent.slice(from, to);
      await until(() => some.every(({ latency }) => latency !== undefined), "every bystander was answered", SETTLE_MS);
      if (this.#broken > 0) throw new Error(`${this.#broken} talks of bystanders got no answer`);
      await this.#arrived();
      const refused = some.filter(({ status }) => status !== 0).length;
      return { name, latencies: some.map(({ latency }) => latency!), refused };
    };
  }

  /** Waits for the pushes of all messages that were answered so far. @throws {Error} on a lost, doubled or strange one. */
  async #arrived(): Promise<void> {
    for (const { sender, receiver, acked } of this.#pairs) {
      const wanted = [...acked];
      const seen = () => receiver.messages.map(({ body }) => body).slice(0, wanted.length);
      const name = `${sender.account} to ${receiver.account}`;
      await until(() => seen().length === wanted.length, `pushes of ${name}`, SETTLE_MS);
      const at = seen().findIndex((text, i) => text !== wanted[i]);
      if (at >= 0) throw new Error(`${name}: push ${at} is ${seen()[at]}, not ${wanted[at]}`);
    }
  }

  /** Talks that were answered with another status than 0, so far. */
  get refused(): number {
    return this.#sent.filter(({ status }) => status !== undefined && status !== 0).length;
  }

  /** How each connection ended, once all have. */
  ends(): Promise<string[]> {
    return Promise.all(this.#pairs.flatMap(({ sender, receiver }) => [sender.ended, receiver.ended]));
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** The judgement over all they saw and over their inboxes as they are at `place` now. Stops them. */
  async verdict(place = this.#place): Promise<Verdict> {
    this.stop();
    for (const { receiver } of this.#pairs) {
      await using reader = await WireClient.login(place.ws, place.token(receiver.account), {
        history: this.#history,
        meta: new Map([["im.caps", "1"], ["im.device", "reader"]]),
      });
      await reader.inbox.readSync();
    }
    return check(this.#history.events);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await Promise.all(
      this.#pairs.flatMap(({ sender, receiver }) => [sender, receiver]).map(async (client) => {
        await client[Symbol.asyncDispose]();
      }),
    );
  }
}
