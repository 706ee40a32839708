import { encodePacket, FLAG, PacketScan, PING, PushScan } from "../packet.ts";
import { wait } from "../pool.ts";
import { Message, MessageWriter } from "../proto.ts";
import type { Random } from "../random.ts";
import { count } from "../talk_counts.ts";
import { parseServerUrl, WireConn, type WireSink } from "../wire_conn.ts";
import { now } from "../wire_inbox.ts";
import { login } from "../wire_login.ts";
import { type CrowdMember, type Destination, nextAttempt, type ShownMessage, type Watcher } from "./crowd_member.ts";

export interface OldMemberOptions {
  readonly account: string;
  readonly token: string;
  /** Addresses, tried in turn; it begins with the first. */
  readonly urls: readonly string[];
  readonly random: Random;
  readonly watcher: Watcher;
}

/** Sends on their way on one connection. */
const MOST_WAITING = 16;
const PING_MS = 3_000;
/** Nothing came for so long: the connection is dropped. */
const SILENT_MS = 9_000;
const ANSWER_MS = 20_000;
const ACK_MS = 300;
const decoder = new TextDecoder();
const scan = new PacketScan();
const push = new PushScan();

/**
 * A client by the old rules: no capabilities, reads its index after each login, acknowledges what it shows, sends
 * nothing twice. When its connection ends it connects again, elsewhere when that fails.
 */
export class OldMember implements CrowdMember {
  readonly account: string;
  readonly old = true;
  readonly screen: ShownMessage[] = [];
  readonly failures = new Map<string, number>();
  logins = 0;
  closed = "";
  readonly #options: OldMemberOptions;
  readonly #started = Promise.withResolvers<void>();
  readonly #shown = new Set<string>();
  #at = 0;
  #session: OldSession | undefined;
  #closing = false;
  #living: Promise<void> = Promise.resolve();
  #conns = 0;

  constructor(options: OldMemberOptions) {
    this.#options = options;
    this.account = options.account;
  }

  get online(): boolean {
    return this.#session !== undefined;
  }

  get waiting(): number {
    return this.#session?.talks.size ?? 0;
  }

  start(): Promise<void> {
    this.#living = this.#live();
    return this.#started.promise;
  }

  talk({ dest, to, apart }: Destination, id: string): boolean {
    const session = this.#session;
    if (session === undefined || session.talks.size >= MOST_WAITING) return false;
    const attempt = nextAttempt();
    this.#options.watcher.record({
      event: "send",
      at: now(),
      attempt,
      client: this.account,
      conn: session.name,
      id,
      dest,
      ...(to === undefined ? {} : { to }),
      ...(apart ? { apart: true as const } : {}),
    });
    session.talk(attempt, to === undefined ? "chat.user.talk" : "chat.group.talk", dest, id);
    return true;
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#session?.conn.close();
    const timer = setTimeout(() => this.#session?.conn.destroy(), 2_000);
    await this.#living;
    clearTimeout(timer);
  }

  async #live(): Promise<void> {
    const { urls, random } = this.#options;
    let failed = 0;
    while (!this.#closing) {
      const url = urls[this.#at % urls.length]!;
      try {
        await this.#connected(url);
        failed = 0;
      } catch {
        failed++; // whatever it was: the next address
        this.#at++;
      }
      if (!this.#closing) await wait(Math.min(2_000, 100 * 2 ** failed) * (0.5 + random.next()));
    }
  }

  /** One connection, from its making to its end. @throws {Error} it could not be made. */
  async #connected(url: string): Promise<void> {
    const { token, watcher } = this.#options;
    let number = ++this.#conns;
    const session = await OldSession.open(url, token, `${this.account}#${number}`, {
      // What is pushed before the gateway has seen the first index request may be in the index, too.
      indexed: () => number = ++this.#conns,
      show: (messageId, id) => this.#show(number, messageId, id),
      answered: (attempt, status, sentMs, more) => {
        watcher.record({ event: "ack", at: now(), attempt, status, ...more });
        if (status === 0) watcher.acked(this, sentMs);
        else count(this.failures, `status ${status}`);
      },
      unanswered: (attempt) => watcher.record({ event: "no answer", at: now(), attempt }),
    });
    this.#session = session;
    this.logins++;
    this.#started.resolve();
    if (this.#closing) session.conn.close();
    const why = await session.ended;
    this.#session = undefined;
    if (!this.#closing) watcher.lost(this, why);
  }

  #show(conn: number, messageId: string, id: string): void {
    this.screen.push({ messageId, id, conn, pos: 0, room: "", seq: 0 });
    if (this.#shown.has(messageId)) return;
    this.#shown.add(messageId);
    if (id !== "") this.#options.watcher.shown(this, id);
  }
}

interface SessionEvents {
  /** Its first index request was answered, or refused. */
  indexed(): void;
  /** `id`: "" when the index named it. */
  show(messageId: string, id: string): void;
  answered(attempt: number, status: number, sentMs: number, more: { messageId?: string; sendTime?: string }): void;
  unanswered(attempt: number): void;
}

interface Talk {
  readonly attempt: number;
  readonly sentMs: number;
}

/** One logged-in connection of an old client. */
class OldSession implements WireSink {
  readonly conn: WireConn;
  readonly name: string;
  readonly ended: Promise<string>;
  readonly talks = new Map<number, Talk>();
  readonly #events: SessionEvents;
  readonly #end: (why: string) => void;
  readonly #asked = new Map<number, (packet: Message | undefined) => void>();
  #timers: ReturnType<typeof setInterval>[] = [];
  #sequence = 1;
  #heardMs = now();
  /** The newest message it showed, and the newest it acknowledged. */
  #newest = 0n;
  #acked = 0n;
  /** Nothing is acknowledged before the index is read. */
  #reading = true;

  static async open(url: string, token: string, name: string, events: SessionEvents): Promise<OldSession> {
    const nobody: WireSink = { packet() {}, closed() {} };
    const conn = await WireConn.open(parseServerUrl(url), nobody, { timeoutMs: 5_000 });
    const session = new OldSession(conn, name, events);
    const answer = await login(conn, token, session, { timeoutMs: ANSWER_MS });
    if (answer.status !== 0) {
      conn.destroy();
      throw new Error(`Login refused: status ${answer.status}`);
    }
    session.#start();
    return session;
  }

  private constructor(conn: WireConn, name: string, events: SessionEvents) {
    this.conn = conn;
    this.name = name;
    this.#events = events;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.ended = promise;
    this.#end = resolve;
  }

  talk(attempt: number, command: string, dest: string, id: string): void {
    const sequence = ++this.#sequence;
    this.talks.set(sequence, { attempt, sentMs: now() });
    const body = new MessageWriter().int(1, 1).text(2, id).done();
    this.conn.send(encodePacket({ command, sequence, dest, body }));
  }

  // hot: per packet
  packet(bytes: Uint8Array, start: number, end: number): void {
    this.#heardMs = now();
    if (!scan.scan(bytes, start, end)) throw new Error("Cannot read packet: the server sent rubbish");
    if (scan.kind === "pong") return;
    const { flag, sequence, status, bodyStart, bodyEnd } = scan;
    if (flag === FLAG.RESPONSE) {
      const body = status === 0 ? new Message(bytes, bodyStart, bodyEnd) : undefined;
      const talk = this.talks.get(sequence);
      if (talk !== undefined) {
        this.talks.delete(sequence);
        const more = body === undefined ? {} : { messageId: `${body.int64(1)}`, sendTime: `${body.int64(2)}` };
        return this.#events.answered(talk.attempt, status, talk.sentMs, more);
      }
      this.#asked.get(sequence)?.(body);
      return void this.#asked.delete(sequence);
    }
    if (flag !== FLAG.PUSH || scan.kind !== "talk" || !push.scan(bytes, bodyStart, bodyEnd)) return;
    const messageId = varint(bytes, push.idStart, push.idEnd);
    this.#show(messageId, decoder.decode(bytes.subarray(push.textStart, push.textEnd)));
  }

  closed(why: string): void {
    for (const timer of this.#timers) clearInterval(timer);
    for (const { attempt } of this.talks.values()) this.#events.unanswered(attempt);
    this.talks.clear();
    for (const answer of this.#asked.values()) answer(undefined);
    this.#end(why);
  }

  #start(): void {
    this.#timers = [
      setInterval(() => this.#ping(), PING_MS),
      setInterval(() => this.#acknowledge(), ACK_MS),
    ];
    void this.#readIndex();
    if (this.conn.closedWhy !== "") this.closed(this.conn.closedWhy);
  }

  #ping(): void {
    const oldest = this.talks.values().next().value;
    if (now() - this.#heardMs > SILENT_MS || (oldest && now() - oldest.sentMs > 3 * ANSWER_MS)) this.conn.destroy();
    else this.conn.send(PING);
  }

  #acknowledge(): void {
    if (this.#reading || this.#newest === this.#acked) return;
    this.#acked = this.#newest;
    void this.#ask("chat.talk.ack", new MessageWriter().int(1, this.#acked).done());
  }

  /** Page by page; asking with an id acknowledges what is up to it. */
  async #readIndex(): Promise<void> {
    let last: bigint | undefined = 0n;
    // Shown before anything that follows the page is looked at.
    const heard = (page: Message | undefined) => {
      if (last === 0n) this.#events.indexed();
      last = undefined; // refused: what is missing is pushed
      for (const row of page?.messages(1) ?? []) this.#show(last = row.int64(1), "");
    };
    while (last !== undefined) {
      await this.#ask("chat.offline.index", new MessageWriter().int(1, last).done(), heard);
      if (this.conn.closedWhy !== "") return;
    }
    this.#reading = false;
  }

  #show(messageId: bigint, id: string): void {
    this.#newest = messageId;
    this.#events.show(`${messageId}`, id);
  }

  /** Undefined: refused, or not answered. `heard` is called with it at once. */
  #ask(command: string, body: Uint8Array, heard: (answer: Message | undefined) => void = () => {}) {
    const sequence = ++this.#sequence;
    return new Promise<Message | undefined>((resolve) => {
      if (this.conn.closedWhy !== "") return resolve(undefined);
      const timer = setTimeout(() => {
        this.#asked.delete(sequence);
        heard(undefined);
        resolve(undefined);
      }, ANSWER_MS);
      this.#asked.set(sequence, (answer) => (clearTimeout(timer), heard(answer), resolve(answer)));
      this.conn.send(encodePacket({ command, sequence, body }));
    });
  }
}

/** A positive int64. */
function varint(bytes: Uint8Array, start: number, end: number): bigint {
  let value = 0n;
  for (let at = end - 1; at >= start; at--) value = value << 7n | BigInt(bytes[at]! & 127);
  return value;
}
