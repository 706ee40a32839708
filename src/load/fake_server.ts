import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { FakeConn, type FakeListener, listenFake } from "./fake_conn.ts";
import { decodePacket, encodePacket, FLAG, type Packet, PONG } from "./packet.ts";
import { Message, MessageWriter } from "./proto.ts";

/**
 * What the fake does to the nth talk (from 1): keeps it from everybody though it answers Success, pushes it twice,
 * pushes it after the next one, pushes something nobody sent beside it, answers 302 without or with storing it, never
 * answers, stores it twice.
 */
export type Mischief = "lose" | "twice" | "late" | "invent" | "refuse" | "refuse but store" | "silent" | "store twice";

export interface FakeOptions {
  readonly port?: number;
  readonly secret: string;
  /** Rows of an index page. */
  readonly page?: number;
  readonly mischief?: (n: number) => Mischief | undefined;
  /** Keeps messages in a file here, written before they are answered. */
  readonly dataDir?: string;
  /** Answers first and writes this many ms later: what a durable server must never do. */
  readonly writeLateMs?: number;
  /** `before-commit=kill@N`, `after-commit=kill@N` or `after-reply=kill@N`: the process kills itself there. */
  readonly fault?: string | undefined;
}

interface Stored {
  readonly id: bigint;
  readonly time: bigint;
  readonly sender: string;
  readonly dest: string;
  readonly type: number;
  readonly body: string;
}

/** A talk that waits for the next commit. */
interface Waiting {
  readonly from: FakeConn;
  readonly request: Packet;
  readonly type: number;
  readonly body: string;
  readonly mischief: Mischief | undefined;
}

/**
 * A small server of the wire protocol for this tool's own tests: login, talk, push, ack, offline index and content,
 * chat.sync, over WebSocket and TCP on one port. It can be told to misbehave, so that the tests see the tool notice.
 */
export class FakeServer implements AsyncDisposable {
  readonly #options: FakeOptions;
  readonly #messages = new Map<bigint, Stored>();
  readonly #inboxes = new Map<string, Stored[]>();
  readonly #acked = new Map<string, bigint>();
  readonly #online = new Map<string, FakeConn>();
  readonly #late = new Map<string, Uint8Array>();
  #waiting: Waiting[] = [];
  #listeners: FakeListener[] = [];
  #fd: number | undefined;
  #talks = 0;
  #commits = 0;
  #replies = 0;
  #lastId = 1_000_000_000_000_000_000n;

  private constructor(options: FakeOptions) {
    this.#options = options;
  }

  static async start(options: FakeOptions, ...morePorts: number[]): Promise<FakeServer> {
    const server = new FakeServer(options);
    if (options.dataDir !== undefined) server.#recover(path.join(options.dataDir, "fake.log"));
    for (const port of [options.port ?? 0, ...morePorts]) {
      server.#listeners.push(await listenFake(port, (conn, bytes) => server.#packet(conn, bytes)));
    }
    return server;
  }

  get port(): number {
    return this.#listeners[0]!.port;
  }
  get wsUrl(): string {
    return `ws://127.0.0.1:${this.port}/`;
  }
  get tcpUrl(): string {
    return `tcp://127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const listener of this.#listeners) await listener[Symbol.asyncDispose]();
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
  }

  #recover(file: string): void {
    const lines = fs.existsSync(file) ? fs.readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
    for (const line of lines) {
      const [id, time, sender, dest, type, body] = JSON.parse(line);
      this.#keep({ id: BigInt(id), time: BigInt(time), sender, dest, type, body });
      this.#lastId = BigInt(id);
    }
    this.#fd = fs.openSync(file, "a");
  }

  #packet(conn: FakeConn, bytes: Uint8Array): void {
    const request = decodePacket(bytes);
    if (request === undefined) return conn.send(PONG);
    if (conn.account === "") return this.#login(conn, request);
    switch (request.command) {
      case "chat.user.talk":
        return this.#talk(conn, request);
      case "chat.talk.ack":
        this.#acked.set(conn.account, new Message(request.body).int64(1));
        return reply(conn, request, 0);
      case "chat.offline.index":
        return this.#index(conn, request);
      case "chat.offline.content":
        return this.#contents(conn, request);
      case "chat.sync":
        return this.#sync(conn, request);
      default:
        return reply(conn, request, 301);
    }
  }

  #login(conn: FakeConn, request: Packet): void {
    const account = accountOf(new Message(request.body).text(1), this.#options.secret);
    if (request.command !== "login.signin" || account === undefined) {
      reply(conn, request, request.command === "login.signin" ? 105 : 103);
      return conn.end();
    }
    const old = this.#online.get(account);
    if (old !== undefined) {
      const body = new MessageWriter().text(1, old.channelId).done();
      old.send(encodePacket({ command: "login.signin", flag: FLAG.PUSH, body }));
    }
    conn.account = account;
    conn.channelId = `fake_${account}_${this.#lastId++}`;
    this.#online.set(account, conn);
    reply(conn, request, 0, new MessageWriter().text(1, conn.channelId).text(2, account).done());
  }

  #talk(from: FakeConn, request: Packet): void {
    const mischief = this.#options.mischief?.(++this.#talks);
    if (request.dest === "") return reply(from, request, 100);
    if (mischief === "refuse") return reply(from, request, 302);
    const content = new Message(request.body);
    this.#waiting.push({ from, request, type: content.uint(1), body: content.text(2), mischief });
    if (this.#waiting.length === 1) setImmediate(() => this.#commit());
  }

  #commit(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    const { fault, writeLateMs } = this.#options;
    if (fault === `before-commit=kill@${++this.#commits}`) dieNow();
    const stored = batch.map(({ from, request, type, body }): Stored => ({
      id: ++this.#lastId,
      time: BigInt(Date.now()) * 1_000_000n + this.#lastId % 1_000_000n,
      sender: from.account,
      dest: request.dest,
      type,
      body,
    }));
    const text = stored.map((m) => `${JSON.stringify([`${m.id}`, `${m.time}`, m.sender, m.dest, m.type, m.body])}\n`);
    if (writeLateMs !== undefined) setTimeout(() => this.#write(text.join("")), writeLateMs);
    else this.#write(text.join(""));
    if (fault === `after-commit=kill@${this.#commits}`) dieNow();
    for (let i = 0; i < batch.length; i++) this.#answer(batch[i]!, stored[i]!);
  }

  #write(text: string): void {
    if (this.#fd !== undefined) fs.writeSync(this.#fd, text);
  }

  #answer({ from, request, mischief }: Waiting, message: Stored): void {
    if (mischief === "refuse but store") reply(from, request, 302);
    else if (mischief !== "silent") {
      reply(from, request, 0, new MessageWriter().int(1, message.id).int(2, message.time).done());
    }
    if (this.#options.fault === `after-reply=kill@${++this.#replies}`) {
      from.flush();
      dieNow();
    }
    if (mischief === "lose") return;
    this.#keep(message);
    this.#push(message, request, mischief);
    if (mischief === "invent") this.#push({ ...message, id: ++this.#lastId, body: "nobody sent this" }, request);
    if (mischief === "store twice") {
      const again = { ...message, id: ++this.#lastId };
      this.#keep(again);
      this.#push(again, request);
    }
  }

  #keep(message: Stored): void {
    this.#messages.set(message.id, message);
    for (const account of new Set([message.sender, message.dest])) {
      const inbox = this.#inboxes.get(account);
      if (inbox === undefined) this.#inboxes.set(account, [message]);
      else inbox.push(message);
    }
  }

  #push(message: Stored, request: Packet, mischief?: Mischief): void {
    const conn = this.#online.get(message.dest);
    if (conn === undefined || message.dest === message.sender) return;
    const bytes = encodePacket({ ...request, flag: FLAG.PUSH, body: pushBody(message).done() });
    if (mischief === "late") return void this.#late.set(message.dest, bytes);
    conn.send(bytes);
    if (mischief === "twice") conn.send(bytes);
    const late = this.#late.get(message.dest);
    if (late !== undefined) {
      conn.send(late);
      this.#late.delete(message.dest);
    }
  }

  #index(conn: FakeConn, request: Packet): void {
    const asked = new Message(request.body).int64(1);
    const after = asked === 0n ? this.#acked.get(conn.account) ?? 0n : asked;
    if (asked !== 0n) this.#acked.set(conn.account, asked);
    const body = new MessageWriter();
    const rows = (this.#inboxes.get(conn.account) ?? []).filter((m) => m.dest === conn.account && m.id > after);
    for (const m of rows.slice(0, this.#options.page ?? 2000)) {
      body.bytes(1, new MessageWriter().int(1, m.id).int(3, m.time).text(4, m.sender).done());
    }
    reply(conn, request, 0, body.done());
  }

  #contents(conn: FakeConn, request: Packet): void {
    const body = new MessageWriter();
    for (const id of new Message(request.body).int64s(1)) {
      const message = this.#messages.get(id);
      const row = new MessageWriter().int(1, id).int(2, message?.type ?? 0).text(3, message?.body ?? "");
      body.bytes(1, row.done());
    }
    reply(conn, request, 0, body.done());
  }

  #sync(conn: FakeConn, request: Packet): void {
    const asked = new Message(request.body);
    const inbox = this.#inboxes.get(conn.account) ?? [];
    const body = new MessageWriter();
    const end = Math.min(inbox.length, asked.uint(1) + (asked.uint(2) || 200));
    for (let i = asked.uint(1); i < end; i++) {
      body.bytes(1, pushBody(inbox[i]!).int(101, i + 1).text(102, inbox[i]!.dest).done());
    }
    reply(conn, request, 0, body.int(2, inbox.length).text(3, "1").int(4, end).done());
  }
}

function reply(conn: FakeConn, request: Packet, status: number, body: Uint8Array = new Uint8Array(0)): void {
  conn.send(
    encodePacket({ ...request, channelId: conn.channelId, flag: FLAG.RESPONSE, status, body, meta: new Map() }),
  );
}

function pushBody(m: Stored): MessageWriter {
  return new MessageWriter().int(1, m.id).int(2, m.type).text(3, m.body).text(5, m.sender).int(6, m.time);
}

function accountOf(token: string, secret: string): string | undefined {
  const [head, claims, signature] = token.split(".");
  if (createHmac("sha256", secret).update(`${head}.${claims}`).digest("base64url") !== signature) return undefined;
  return JSON.parse(Buffer.from(claims!, "base64url").toString()).acc;
}

function dieNow(): never {
  process.kill(process.pid, "SIGKILL");
  for (;;); // the signal is on its way
}

if (import.meta.main) {
  const port = (name: string) => Number(process.env[name]!.split(":").at(-1));
  const late = process.env["FAKE_WRITE_LATE_MS"];
  await FakeServer.start({
    port: port("PETREL_HTTP"),
    secret: process.env["PETREL_TOKEN_SECRET"]!,
    dataDir: process.env["PETREL_DATA"]!,
    fault: process.env["PETREL_FAULT"],
    ...(late === undefined ? {} : { writeLateMs: Number(late) }),
  }, port("PETREL_TCP"));
}
