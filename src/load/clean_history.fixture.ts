import type { HistoryEvent, InboxRow } from "./history.ts";
import { Random } from "./random.ts";

interface Stored {
  readonly messageId: string;
  readonly id: string;
  readonly sender: string;
  readonly to: readonly string[];
}

/** How an account is judged in the end: by its inbox read both ways, by the old paging alone, or by its screens. */
type Mode = "both" | "index" | "screen";

/**
 * A history of a server that keeps every promise: pairs, groups, self-talk, refusals, lost answers, repeats under one
 * client message id, reconnects, answers that arrive late. The seed decides everything.
 */
export function cleanHistory(seed: number, accounts = 6, sends = 200): HistoryEvent[] {
  return new CleanServer(new Random(seed), accounts).run(sends);
}

class CleanServer {
  readonly #random: Random;
  readonly #events: HistoryEvent[] = [];
  readonly #names: string[];
  readonly #conns = new Map<string, string>();
  readonly #stored: Stored[] = [];
  readonly #inboxes = new Map<string, Stored[]>();
  /** Answers that have not arrived yet. */
  #late: HistoryEvent[] = [];
  #at = 0;
  #attempts = 0;
  #connections = 0;
  #ids = 0;

  constructor(random: Random, accounts: number) {
    this.#random = random;
    this.#names = Array.from({ length: accounts }, (_, i) => `a${i}`);
  }

  run(sends: number): HistoryEvent[] {
    for (const name of this.#names) this.#connect(name);
    for (let i = 0; i < sends; i++) {
      this.#step(`m${i}`);
      if (this.#random.next() < 0.3) this.#deliverLate();
      if (this.#random.next() < 0.02) this.#connect(this.#random.pick(this.#names));
    }
    this.#deliverLate();
    this.#names.forEach((name, i) => this.#read(name, (["both", "index", "screen"] as const)[i % 3]!));
    return this.#events;
  }

  #connect(name: string): void {
    const conn = `c${++this.#connections}`;
    this.#conns.set(name, conn);
    this.#events.push({ event: "online", at: ++this.#at, client: name, conn });
  }

  #step(id: string): void {
    const client = this.#random.pick(this.#names);
    const group = this.#random.next() < 0.1;
    const to = group ? this.#names.filter((name) => name !== client) : [this.#random.pick(this.#names)];
    const dest = group ? "g1" : to[0]!;
    const luck = this.#random.next();
    const key = luck < 0.1 ? `k-${id}` : undefined;
    const send = () => this.#send(client, id, dest, group ? to : undefined, key);
    const attempt = send();
    if (luck >= 0.8 && luck < 0.88) return void this.#answer(attempt, undefined);
    if (luck >= 0.94) return void this.#silence(attempt); // neither stored nor answered
    const stored = this.#store(id, client, to);
    if (luck >= 0.88) return this.#silence(attempt); // stored, not answered
    if (key !== undefined) {
      this.#silence(attempt);
      this.#connect(client);
      return this.#answer(send(), stored); // repeated: the first answer
    }
    this.#answer(attempt, stored);
  }

  #send(client: string, id: string, dest: string, to: readonly string[] | undefined, key: string | undefined): number {
    const attempt = ++this.#attempts;
    const conn = this.#conns.get(client)!;
    const more = { ...(to === undefined ? {} : { to }), ...(key === undefined ? {} : { key }) };
    this.#events.push({ event: "send", at: ++this.#at, attempt, client, conn, id, dest, ...more });
    return attempt;
  }

  #store(id: string, sender: string, to: readonly string[]): Stored {
    const stored = { messageId: `${1000 + ++this.#ids}`, id, sender, to };
    this.#stored.push(stored);
    for (const account of new Set([sender, ...to])) {
      this.#inboxes.set(account, [...(this.#inboxes.get(account) ?? []), stored]);
      if (account === sender) continue;
      const conn = this.#conns.get(account)!;
      const { messageId } = stored;
      this.#events.push({ event: "screen", at: ++this.#at, client: account, conn, messageId, id, sender });
    }
    return stored;
  }

  #answer(attempt: number, stored: Stored | undefined): void {
    const what = stored === undefined ? { status: 302 } : { status: 0, messageId: stored.messageId, sendTime: "1" };
    this.#late.push({ event: "ack", at: 0, attempt, ...what });
    if (this.#random.next() < 0.5) this.#deliverLate();
  }

  #silence(attempt: number): void {
    this.#events.push({ event: "no answer", at: ++this.#at, attempt });
  }

  #deliverLate(): void {
    for (const event of this.#late) this.#events.push({ ...event, at: ++this.#at });
    this.#late = [];
  }

  #read(client: string, mode: Mode): void {
    if (mode === "screen") return;
    const inbox = this.#inboxes.get(client) ?? [];
    const rows = inbox.map((m, i): InboxRow => ({
      messageId: m.messageId,
      id: m.id,
      sender: m.sender,
      direction: m.sender === client ? 1 : 0,
      pos: i + 1,
    }));
    // a message to oneself is one row; the old paging shows it when it counts as received
    const received = inbox.flatMap((m): InboxRow[] =>
      m.to.includes(client) ? [{ messageId: m.messageId, id: m.id, sender: m.sender, direction: 0 }] : []
    );
    this.#events.push({ event: "inbox", at: ++this.#at, client, via: "index", whole: true, rows: received });
    if (mode === "both") this.#events.push({ event: "inbox", at: ++this.#at, client, via: "sync", whole: true, rows });
  }
}
