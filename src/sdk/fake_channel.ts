import { encodeBody } from "../protocol/bodies.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import { pkt } from "../protocol/gen/pkt.js";
import { FLAG, type Header, makeHeader } from "../protocol/header.ts";
import { LIMITS } from "../protocol/limits.ts";
import { META, textMeta } from "../protocol/meta.ts";
import { BASIC, decodePacket, encodeBasic, encodeLogic, type LogicPacket } from "../protocol/packet.ts";
import { GROUP_TALK, SIGN_IN, USER_TALK } from "./commands.ts";
import type { ClientSocketEvents } from "./socket.ts";

/** What a channel asks of its server. */
export interface FakeServerEnd {
  readonly pongs: boolean;
  push(pos: number, send: () => void, channel: FakeChannel): void;
  inbox(account: string): pkt.MessagePush[];
  handle(packet: LogicPacket, channel: FakeChannel): void;
}

/** The server's end of one connection. */
export class FakeChannel {
  account = "";
  device = "";
  open = true;
  /** Position after which a recovered login is sent what it lacks. */
  resumeFrom: number | undefined;
  /** What the client said when it closed. */
  farewell: CloseReason | undefined;
  readonly id: string;
  readonly #server: FakeServerEnd;
  readonly #events: ClientSocketEvents;

  constructor(server: FakeServerEnd, id: string, events: ClientSocketEvents) {
    this.#server = server;
    this.id = id;
    this.#events = events;
  }

  received(bytes: Uint8Array): void {
    const packet = decodePacket(bytes.slice(), LIMITS.client);
    if (packet.kind === "logic") queueMicrotask(() => this.open && this.#server.handle(packet, this));
    else if (packet.code === BASIC.PING && this.#server.pongs) this.pong(this.#server.inbox(this.account).length);
  }

  pong(head: number): void {
    const body = new Uint8Array(8);
    new DataView(body.buffer).setBigUint64(0, BigInt(head));
    this.send(encodeBasic(BASIC.PONG, body));
  }

  push(row: pkt.MessagePush): void {
    const header = makeHeader(row.group ? GROUP_TALK : USER_TALK, {
      flag: FLAG.PUSH,
      dest: row.dest,
      meta: row.userSeq > 0 ? [textMeta(META.POS, String(row.userSeq))] : [],
    });
    this.send(encodeLogic(header, encodeBody(pkt.MessagePush, { ...row, userSeq: 0, dest: "", group: false })));
  }

  kick(): void {
    const header = makeHeader(SIGN_IN, { flag: FLAG.PUSH });
    this.send(encodeLogic(header, encodeBody(pkt.KickoutNotify, { channelId: this.id })));
  }

  reply(request: Header, status: number, body: Uint8Array): void {
    const { command, sequence, dest } = request;
    this.send(encodeLogic(makeHeader(command, { sequence, dest, flag: FLAG.RESPONSE, status }), body));
  }

  afterLogin(): void {
    if (this.resumeFrom === undefined) return;
    for (const row of this.#server.inbox(this.account).slice(this.resumeFrom)) {
      this.#server.push(row.userSeq, () => this.push(row), this);
    }
  }

  send(bytes: Uint8Array): void {
    queueMicrotask(() => this.open && this.#events.packet(bytes));
  }

  /** The server ends the connection with that reason. */
  close(why: CloseReason): void {
    if (!this.open) return;
    this.open = false;
    queueMicrotask(() => this.#events.closed(why.code, why.reason));
  }

  /** The connection breaks. */
  cut(): void {
    this.close(CLOSE.GONE);
  }

  /** The client closed. */
  left(why: CloseReason): void {
    this.open = false;
    this.farewell = why;
  }
}
