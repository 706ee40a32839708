import type { HistoryEvent, InboxEvent, SendEvent } from "./history.ts";
import { type Fault, type FaultList, FAULTS, type Verdict } from "./verdict.ts";

const EXAMPLES = 20;

interface Attempt {
  readonly send: SendEvent;
  /** Place among the attempts of its channel. */
  readonly order: number;
  status: number | undefined;
  messageId: string | undefined;
  ackedAt: number;
}

interface Row {
  readonly messageId: string;
  readonly id: string;
  readonly sender: string;
  readonly sent: boolean;
  readonly pos?: number | undefined;
}

interface Reading {
  readonly name: string;
  readonly client: string;
  readonly inbox: InboxEvent | undefined;
  readonly rows: Row[];
}

/** Takes a history event by event, then tells what is wrong with it; what counts as a fault: verdict.ts. */
export class Checker {
  readonly #attempts = new Map<number, Attempt>();
  readonly #byId = new Map<string, Attempt[]>();
  /** Body id by the message id it was answered with. */
  readonly #answers = new Map<string, string>();
  readonly #perChannel = new Map<string, number>();
  readonly #screens = new Map<string, Reading>();
  readonly #inboxes: Reading[] = [];
  readonly #online = new Set<string>();
  readonly #faults = Object.fromEntries(FAULTS.map((name) => [name, { count: 0, examples: [] as string[] }])) as Record<
    Fault,
    FaultList
  >;

  /** @throws {Error} when the event contradicts the history, e.g. an answer to an attempt that was never made. */
  add(event: HistoryEvent): void {
    switch (event.event) {
      case "send":
        return this.#send(event);
      case "ack": {
        const attempt = this.#attempt(event.attempt);
        if (attempt.status !== undefined) throw new Error(`Cannot check: attempt ${event.attempt} was answered twice`);
        attempt.status = event.status;
        attempt.messageId = event.messageId;
        if (event.messageId !== undefined) this.#answers.set(event.messageId, attempt.send.id);
        attempt.ackedAt = event.at;
        return;
      }
      case "no answer":
        return void this.#attempt(event.attempt);
      case "online":
        return void this.#online.add(event.client);
      case "screen": {
        let screen = this.#screens.get(event.conn);
        if (screen === undefined) {
          screen = { name: `screen of ${event.conn}`, client: event.client, inbox: undefined, rows: [] };
          this.#screens.set(event.conn, screen);
        }
        const { messageId, id, sender } = event;
        return void screen.rows.push({ messageId, id, sender, sent: false });
      }
      case "inbox": {
        const rows = event.rows.map((row): Row => ({ ...row, sent: row.direction === 1 }));
        const name = `inbox of ${event.client} by ${event.via}`;
        return void this.#inboxes.push({ name, client: event.client, inbox: event, rows });
      }
    }
  }

  /** Judges everything added so far. Call it once, at the end. */
  finish(): Verdict {
    const readings = [...this.#screens.values(), ...this.#inboxes];
    for (const reading of readings) this.#judge(reading);
    this.#judgeStoredTwice(readings);
    const unjudged = this.#judgeLost();
    const found = new Set(readings.flatMap((reading) => reading.rows.map((row) => row.id)));
    const attempts = [...this.#attempts.values()];
    const unknown = attempts.filter((attempt) => attempt.status === undefined);
    const stored = unknown.filter((attempt) => found.has(attempt.send.id)).length;
    return {
      clean: FAULTS.every((name) => this.#faults[name].count === 0),
      faults: this.#faults,
      attempts: attempts.length,
      acked: attempts.filter((attempt) => attempt.status === 0).length,
      refused: attempts.length - unknown.length - attempts.filter((attempt) => attempt.status === 0).length,
      unknownStored: stored,
      unknownNotStored: unknown.length - stored,
      unjudged,
      readings: readings.length,
    };
  }

  #send(event: SendEvent): void {
    if (this.#attempts.has(event.attempt)) throw new Error(`Cannot check: attempt ${event.attempt} was made twice`);
    const order = this.#perChannel.get(event.conn) ?? 0;
    this.#perChannel.set(event.conn, order + 1);
    const attempt: Attempt = { send: event, order, status: undefined, messageId: undefined, ackedAt: 0 };
    this.#attempts.set(event.attempt, attempt);
    const others = this.#byId.get(event.id);
    if (others === undefined) this.#byId.set(event.id, [attempt]);
    else others.push(attempt);
  }

  #attempt(number: number): Attempt {
    const attempt = this.#attempts.get(number);
    if (attempt === undefined) throw new Error(`Cannot check: attempt ${number} was answered but never made`);
    return attempt;
  }

  #fault(kind: Fault, text: string): void {
    const list = this.#faults[kind];
    if (list.count++ < EXAMPLES) list.examples.push(text);
  }

  #judge(reading: Reading): void {
    const ids = new Set<string>();
    const copies = new Map<string, number>();
    const newest = new Map<string, Attempt>();
    let pos = 0;
    for (const row of reading.rows) {
      const again = ids.has(row.messageId);
      if (again) this.#fault("twice", `${reading.name}: message ${row.messageId} (${row.id}) again`);
      ids.add(row.messageId);
      this.#judgeHole(reading, row, ++pos);
      const attempts = this.#byId.get(row.id) ?? [];
      const wrong = this.#wrongWith(reading, row, attempts);
      if (wrong !== "") {
        this.#fault("phantom", `${reading.name}: message ${row.messageId} (${row.id}) ${wrong}`);
        continue;
      }
      const count = (copies.get(row.id) ?? 0) + 1;
      copies.set(row.id, count);
      if (!again && count > allowedCopies(attempts)) {
        this.#fault("twice", `${reading.name}: ${row.id} again, as message ${row.messageId}`);
      }
      const only = attempts.length === 1 ? attempts[0]! : undefined;
      if (only?.status !== 0 || again || count > 1) continue;
      const line = only.send.apart ? `${only.send.conn} to ${only.send.dest}` : only.send.conn;
      const before = newest.get(line);
      if (before !== undefined && before.order > only.order) {
        this.#fault("order", `${reading.name}: ${row.id} after ${before.send.id}, both of ${only.send.conn}`);
      } else newest.set(line, only);
    }
  }

  #judgeHole({ name, inbox }: Reading, row: Row, expected: number): void {
    if (inbox?.whole !== true || row.pos === undefined || row.pos === expected) return;
    this.#fault("hole", `${name}: row ${expected} has position ${row.pos} (message ${row.messageId})`);
  }

  #wrongWith(reading: Reading, row: Row, attempts: readonly Attempt[]): string {
    if (attempts.length === 0) return "was never sent";
    if (this.#contradicts(row)) return `is in the place of ${this.#answers.get(row.messageId)}`;
    const possible = attempts.filter((attempt) => attempt.status === undefined || attempt.status === 0);
    if (possible.length === 0) return `was refused with status ${attempts[0]!.status}`;
    const mine = possible.filter(({ send }) => {
      const to = send.to ?? [send.dest];
      return row.sent ? send.client === reading.client : to.includes(reading.client);
    });
    if (mine.length === 0) return `was ${row.sent ? "sent by" : "meant for"} somebody else`;
    if (!mine.some(({ send }) => send.client === row.sender)) return `does not come from ${row.sender}`;
    return "";
  }

  /** This message id was the answer to another message. */
  #contradicts(row: Row): boolean {
    const answered = this.#answers.get(row.messageId);
    return answered !== undefined && answered !== row.id;
  }

  #judgeStoredTwice(readings: readonly Reading[]): void {
    const idsOf = new Map<string, Set<string>>();
    const note = (id: string, messageId: string) => {
      const ids = idsOf.get(id);
      if (ids === undefined) idsOf.set(id, new Set([messageId]));
      else ids.add(messageId);
    };
    for (const { send, messageId } of this.#attempts.values()) if (messageId !== undefined) note(send.id, messageId);
    for (const { rows } of readings) for (const row of rows) if (this.#byId.has(row.id)) note(row.id, row.messageId);
    for (const [id, ids] of idsOf) {
      const allowed = allowedCopies(this.#byId.get(id)!);
      if (allowed > 0 && ids.size > allowed) this.#fault("twice", `${id} is stored as ${[...ids].join(" and ")}`);
    }
  }

  /** Gives how many could not be judged. */
  #judgeLost(): number {
    const whole = new Map<string, { reading: Reading; ids: Set<string> }[]>();
    for (const reading of this.#inboxes) {
      if (!reading.inbox!.whole) continue;
      const entry = { reading, ids: new Set(reading.rows.map((row) => row.messageId)) };
      whole.set(reading.client, [...(whole.get(reading.client) ?? []), entry]);
    }
    const shown = new Map<string, Set<string>>();
    for (const { client, rows } of this.#screens.values()) {
      const ids = shown.get(client) ?? new Set();
      for (const row of rows) ids.add(row.messageId);
      shown.set(client, ids);
    }
    let unjudged = 0;
    for (const attempt of this.#attempts.values()) {
      const { send, messageId, ackedAt } = attempt;
      if (attempt.status !== 0 || messageId === undefined) continue;
      const what = `message ${messageId} (${send.id})`;
      for (const account of send.to ?? [send.dest]) {
        const later = whole.get(account)?.filter(({ reading }) => reading.inbox!.at > ackedAt) ?? [];
        for (const { reading, ids } of later) if (!ids.has(messageId)) this.#fault("lost", `${what}: ${reading.name}`);
        if (later.length > 0 || account === send.client) continue;
        if (!this.#online.has(account)) unjudged++;
        else if (!shown.get(account)?.has(messageId)) this.#fault("lost", `${what}: every screen of ${account}`);
      }
      for (const { reading, ids } of whole.get(send.client) ?? []) {
        if (reading.inbox!.via !== "sync" || reading.inbox!.at <= ackedAt || ids.has(messageId)) continue;
        if (!(send.to ?? [send.dest]).includes(send.client)) this.#fault("lost", `${what}: sent ${reading.name}`);
      }
    }
    return unjudged;
  }
}

/** Judges a whole history. */
export function check(events: Iterable<HistoryEvent>): Verdict {
  const checker = new Checker();
  for (const event of events) checker.add(event);
  return checker.finish();
}

function allowedCopies(attempts: readonly Attempt[]): number {
  const open = attempts.filter((attempt) => attempt.status === undefined || attempt.status === 0);
  const keys = new Set(open.filter(({ send }) => send.key !== undefined).map(({ send }) => send.key));
  return keys.size + open.filter(({ send }) => send.key === undefined).length;
}
