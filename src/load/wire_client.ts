import type { History } from "./history.ts";
import { decodePacket, encodePacket, FLAG, type Packet, PING } from "./packet.ts";
import { Message, MessageWriter } from "./proto.ts";
import { parseServerUrl, WireConn, type WireSink } from "./wire_conn.ts";
import { now, readMessage, WireInbox, type WireMessage } from "./wire_inbox.ts";
import { login, type LoginAnswer, type LoginOptions } from "./wire_login.ts";

export interface WireClientOptions {
  /** Sends, answers and pushes are written down here. */
  readonly history?: History;
  readonly timeoutMs?: number;
}

/** What a talk was answered. Status 0: stored. */
export interface TalkAnswer {
  readonly status: number;
  readonly messageId: bigint;
  readonly sendTime: bigint;
  readonly seq: number;
  readonly userSeq: number;
}

let attempts = 0;
let connections = 0;

/**
 * A client that speaks only the wire, for tests: it does exactly what it is told, also wrong things. Requests reject
 * when no answer comes in time or the connection ends.
 */
export class WireClient implements WireSink, AsyncDisposable {
  readonly conn: WireConn;
  /** Names this connection in a history. */
  readonly name: string;
  readonly history: History | undefined;
  readonly inbox: WireInbox;
  account = "";
  channelId = "";
  /** Every packet that was no answer to a request, in order: pushes, kick-outs. */
  readonly pushes: Packet[] = [];
  /** BasicPkt pongs received. */
  pongs = 0;
  /** Resolves with the reason when the connection has ended. */
  readonly ended: Promise<string>;
  readonly #options: WireClientOptions;
  readonly #waiting = new Map<number, { resolve: (packet: Packet) => void; reject: (error: Error) => void }>();
  readonly #watchers = new Set<() => void>();
  #sequence = 1;
  #end!: (why: string) => void;

  private constructor(conn: WireConn, options: WireClientOptions) {
    this.conn = conn;
    this.name = `c${++connections}`;
    this.#options = options;
    this.history = options.history;
    this.inbox = new WireInbox(this);
    this.ended = new Promise((resolve) => this.#end = resolve);
    conn.sink = this;
  }

  /** Connects to `ws://…` or `tcp://…`; no login yet. @throws {Error} saying what failed. */
  static async open(url: string, options: WireClientOptions = {}): Promise<WireClient> {
    const nobody: WireSink = { packet() {}, closed() {} };
    const conn = await WireConn.open(parseServerUrl(url), nobody, { timeoutMs: options.timeoutMs ?? 10_000 });
    return new WireClient(conn, options);
  }

  /** Connects and logs in. @throws {Error} also when the login is refused. */
  static async login(
    url: string,
    token: string,
    options: WireClientOptions & LoginOptions = {},
  ): Promise<WireClient> {
    const client = await WireClient.open(url, options);
    const answer = await client.login(token, options);
    if (answer.status === 0) return client;
    client.conn.destroy();
    throw new Error(`Login refused: status ${answer.status} ${answer.error}`.trim());
  }

  /** Sends `login.signin`; gives the answer whatever its status. */
  async login(token: string, options: LoginOptions = {}): Promise<LoginAnswer> {
    const answer = await login(this.conn, token, this, { timeoutMs: this.#timeoutMs, ...options });
    this.account = answer.account;
    this.channelId = answer.channelId;
    if (answer.status === 0) {
      this.history?.record({ event: "online", at: now(), client: this.account, conn: this.name });
      this.#catchUp();
    }
    return answer;
  }

  /** Pushes that came in one read with the login's answer were not recorded: the account was not known yet. */
  #catchUp(): void {
    for (const packet of this.pushes) this.#recordPush(packet);
  }

  /** Sends a request with the next sequence and waits for its answer. */
  async request(command: string, body: Uint8Array = new Uint8Array(0), dest = ""): Promise<Packet> {
    return await this.#ask(command, body, dest);
  }

  #ask(command: string, body: Uint8Array, dest: string, meta?: ReadonlyMap<string, string>): Promise<Packet> {
    const sequence = ++this.#sequence;
    return new Promise((resolve, reject) => {
      if (this.conn.closedWhy !== "") return reject(new Error(`Cannot ask ${command}: ${this.conn.closedWhy}`));
      const timer = setTimeout(() => {
        this.#waiting.delete(sequence);
        reject(new Error(`No answer to ${command} (sequence ${sequence}) in ${this.#timeoutMs} ms`));
      }, this.#timeoutMs);
      this.#waiting.set(sequence, {
        resolve: (packet) => (clearTimeout(timer), resolve(packet)),
        reject: (error) => (clearTimeout(timer), reject(error)),
      });
      this.conn.send(encodePacket({ command, sequence, dest, body, meta: meta ?? new Map() }));
    });
  }

  /** As `request`; a status other than 0 is an error too. */
  async ok(command: string, body?: Uint8Array, dest?: string): Promise<Message> {
    const packet = await this.request(command, body, dest);
    if (packet.status !== 0) {
      throw new Error(`${command}: status ${packet.status} ${new Message(packet.body).text(1)}`.trim());
    }
    return new Message(packet.body);
  }

  /**
   * Talks to an account, or with `to` (its other members) to a group. `id` is the text, and names the message in a history;
   * `clientMsgId` makes repeats safe.
   * Rejects without an answer: the message may be stored.
   */
  async talk(
    dest: string,
    id: string,
    more: { type?: number; extra?: string; clientMsgId?: string; to?: readonly string[]; apart?: true } = {},
  ) {
    const history = this.history;
    const attempt = ++attempts;
    const key = more.clientMsgId;
    history?.record({
      event: "send",
      at: now(),
      attempt,
      client: this.account,
      conn: this.name,
      id,
      dest,
      ...(key === undefined ? {} : { key }),
      ...(more.to === undefined ? {} : { to: more.to }),
      ...(more.apart ? { apart: true } : {}),
    });
    const body = new MessageWriter().int(1, more.type ?? 1).text(2, id).text(3, more.extra ?? "").text(100, key ?? "");
    try {
      const packet = await this.request(more.to ? "chat.group.talk" : "chat.user.talk", body.done(), dest);
      const answer = readTalk(packet);
      history?.record({
        event: "ack",
        at: now(),
        attempt,
        status: answer.status,
        ...(answer.status === 0 ? { messageId: `${answer.messageId}`, sendTime: `${answer.sendTime}` } : {}),
      });
      return answer;
    } catch (error) {
      history?.record({ event: "no answer", at: now(), attempt });
      throw error;
    }
  }

  /** `chat.talk.ack` up to a message. */
  async ack(messageId: bigint): Promise<void> {
    await this.ok("chat.talk.ack", new MessageWriter().int(1, messageId).done());
  }

  /** BasicPkt ping. */
  ping(): void {
    this.conn.send(PING);
  }

  /** Bytes as they are, framed by nobody: for deliberate mistakes. */
  raw(bytes: Uint8Array): void {
    this.conn.write(bytes);
  }

  /** Messages pushed so far. */
  get messages(): WireMessage[] {
    return this.pushes.filter(isTalkPush).map((packet) => readMessage(new Message(packet.body)));
  }

  /** Waits until this client has seen what it waits for. @throws {Error} in time's absence, or when it has ended. */
  until(done: (client: WireClient) => boolean, timeoutMs = this.#timeoutMs): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (error?: Error) => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        if (error === undefined) resolve();
        else reject(error);
      };
      const look = () => {
        if (done(this)) finish();
        else if (this.conn.closedWhy !== "") finish(new Error(`Waited in vain: ${this.conn.closedWhy}`));
      };
      const timer = setTimeout(() => finish(new Error(`Waited ${timeoutMs} ms in vain`)), timeoutMs);
      this.#watchers.add(look);
      look();
    });
  }

  close(): void {
    this.conn.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.conn.close();
    if (this.conn.closedWhy !== "") return;
    const timer = setTimeout(() => this.conn.destroy(), 2000);
    await this.ended;
    clearTimeout(timer);
  }

  packet(bytes: Uint8Array, start: number, end: number): void {
    const packet = decodePacket(bytes.subarray(start, end));
    if (packet === undefined) this.pongs++;
    else if (packet.flag === FLAG.RESPONSE && this.#waiting.has(packet.sequence)) {
      const waiting = this.#waiting.get(packet.sequence)!;
      this.#waiting.delete(packet.sequence);
      waiting.resolve(packet);
    } else {
      this.pushes.push(packet);
      if (this.account !== "") this.#recordPush(packet);
    }
    this.#look();
  }

  closed(why: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(`No answer: ${why}`));
    this.#waiting.clear();
    this.#end(why);
    this.#look();
  }

  get #timeoutMs(): number {
    return this.#options.timeoutMs ?? 10_000;
  }

  #look(): void {
    for (const look of [...this.#watchers]) look();
  }

  #recordPush(packet: Packet): void {
    if (this.history === undefined || !isTalkPush(packet)) return;
    const message = readMessage(new Message(packet.body));
    this.history.record({
      event: "screen",
      at: now(),
      client: this.account,
      conn: this.name,
      messageId: `${message.messageId}`,
      id: message.body,
      sender: message.sender,
    });
  }
}

function isTalkPush(packet: Packet): boolean {
  return packet.flag === FLAG.PUSH && (packet.command === "chat.user.talk" || packet.command === "chat.group.talk");
}

function readTalk(packet: Packet): TalkAnswer {
  const body = new Message(packet.status === 0 ? packet.body : new Uint8Array(0));
  return {
    status: packet.status,
    messageId: body.int64(1),
    sendTime: body.int64(2),
    seq: body.uint(100),
    userSeq: body.uint(101),
  };
}
