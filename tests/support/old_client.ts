import { decodeBody, encodeBody } from "../../src/protocol/bodies.ts";
import type { CloseReason } from "../../src/protocol/close_reason.ts";
import { CLOSE } from "../../src/protocol/close_reason.ts";
import * as pkt from "../../src/protocol/gen/pkt_messages.ts";
import { FLAG, type Header, makeHeader } from "../../src/protocol/header.ts";
import { LIMITS } from "../../src/protocol/limits.ts";
import { decodePacket, encodeLogic, type LogicPacket, NO_BODY } from "../../src/protocol/packet.ts";
import type { ChannelAgent, ClientChannel } from "../../src/services/gateway/client_channel.ts";
import type { Gateway } from "../../src/services/gateway/gateway.ts";

/**
 * A client by the old rules, joined to a gateway by calls instead of a socket: what the gateway writes comes in order,
 * on a later turn. Keeps what a person would have seen on this connection, from the first index on.
 */
export class OldClient implements ChannelAgent {
  queuedPushBytes = 0;
  /** Message ids in the order they came, by index page or push. */
  readonly seen: bigint[] = [];
  /** Messages of groups, likewise. */
  readonly groups: bigint[] = [];
  /** The newest message acknowledged, by an ack or by asking for the index behind it; 0: none. */
  acked = 0n;
  readonly kicked = Promise.withResolvers<void>();
  closed: CloseReason | undefined;
  #channel: ClientChannel | undefined;
  #sequence = 1;
  readonly #gateway: Gateway;
  readonly #waiting = new Map<number, (packet: LogicPacket) => void>();

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  login(token: string, header: Partial<Header> = {}): Promise<number> {
    return this.loginWith(encodeBody(pkt.LoginReq, { token }), header);
  }

  /** As `login`, with this as the body. */
  async loginWith(body: Uint8Array, header: Partial<Header> = {}): Promise<number> {
    const sequence = this.#sequence++;
    const answer = this.#answerTo(sequence);
    const packet = encodeLogic(makeHeader("login.signin", { ...header, sequence }), body);
    const outcome = this.#gateway.first(this, "127.0.0.1", packet);
    if ("at" in outcome) return (decodePacket(outcome.packet!, LIMITS.link) as LogicPacket).header.status;
    this.#channel = outcome;
    return (await answer).header.status;
  }

  request(command: string, body: Uint8Array = NO_BODY, dest = ""): Promise<LogicPacket> {
    const sequence = this.#sequence++;
    const answer = this.#answerTo(sequence);
    this.#gateway.receive(this.#channel!, encodeLogic(makeHeader(command, { sequence, dest }), body));
    return answer;
  }

  async talk(dest: string, text: string): Promise<{ status: number; messageId: bigint }> {
    const answer = await this.request("chat.user.talk", encodeBody(pkt.MessageReq, { type: 1, body: text }), dest);
    const { status } = answer.header;
    return { status, messageId: status === 0 ? decodeBody(pkt.MessageResp, answer.body).messageId : 0n };
  }

  ack(messageId: bigint): Promise<LogicPacket> {
    this.acked = messageId;
    return this.request("chat.talk.ack", encodeBody(pkt.MessageAckReq, { messageId }));
  }

  /** Pages the index from the stored read position to the empty page. */
  async index(): Promise<void> {
    for (let last = 0n;;) {
      if (last !== 0n) this.acked = last;
      const answer = await this.request("chat.offline.index", encodeBody(pkt.MessageIndexReq, { messageId: last }));
      if (answer.header.status !== 0) return;
      const { indexes } = decodeBody(pkt.MessageIndexResp, answer.body);
      if (indexes.length === 0) return;
      this.seen.push(...indexes.map((one) => one.messageId));
      last = indexes.at(-1)!.messageId;
    }
  }

  /** The socket is gone, from now on. */
  cut(): void {
    if (this.#channel) this.#gateway.disconnected(this.#channel, CLOSE.GONE);
    this.closed ??= CLOSE.GONE;
  }

  push(bytes: Uint8Array): void {
    this.reply(bytes);
  }

  reply(bytes: Uint8Array): void {
    const packet = decodePacket(bytes, LIMITS.link);
    if (packet.kind !== "logic" || this.closed) return;
    const { header, body } = packet;
    if (header.flag === FLAG.RESPONSE) {
      this.#waiting.get(header.sequence)?.(packet);
      this.#waiting.delete(header.sequence);
    } else if (header.command === "chat.user.talk") this.seen.push(decodeBody(pkt.MessagePush, body).messageId);
    else if (header.command === "chat.group.talk") this.groups.push(decodeBody(pkt.MessagePush, body).messageId);
    else if (header.command === "login.signin") this.kicked.resolve();
  }

  pause(): void {}
  resume(): void {}

  close(why: CloseReason): void {
    if (this.closed) return;
    this.closed = why;
    if (this.#channel) this.#gateway.disconnected(this.#channel, why);
  }

  #answerTo(sequence: number): Promise<LogicPacket> {
    return new Promise((resolve) => this.#waiting.set(sequence, resolve));
  }
}
