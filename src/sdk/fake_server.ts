import type { FakeClock } from "../base/fake_clock.ts";
import { type BodyType, decodeBody, encodeBody } from "../protocol/bodies.ts";
import { pkt } from "../protocol/gen/pkt.js";
import type { Header } from "../protocol/header.ts";
import { findText, META } from "../protocol/meta.ts";
import { type LogicPacket, NO_BODY } from "../protocol/packet.ts";
import { PetrelClient } from "./client.ts";
import { GROUP_TALK, SIGN_IN, SYNC, TALK_ACK, USER_TALK } from "./commands.ts";
import { FakeChannel } from "./fake_channel.ts";
import { type FakeGroup, FakeGroups } from "./fake_groups.ts";
import type { Message } from "./message.ts";
import type { ClientEvents, ClientOptions, StateChange } from "./options.ts";
import type { Connect } from "./socket.ts";

/**
 * A server in memory, for tests: real packets, one inbox log per account, answers in later microtasks. What it does
 * wrong is switched on by the fields.
 */
export class FakeServer {
  epoch = "one";
  heartbeatMs = 25_000;
  /** Logins may say "recovered" when so few messages lack. */
  resume = 256;
  /** Addresses that cannot be reached. */
  readonly down = new Set<string>();
  /** A status (and body) instead of the usual answer; "silence": none. Undefined: the usual. */
  answer: (packet: LogicPacket, channel: FakeChannel) => number | "silence" | undefined = () => undefined;
  /** Called for every push instead of sending it; call `send` as often and as late as wished. */
  push: (pos: number, send: () => void, channel: FakeChannel) => void = (_pos, send) => send();
  /** Do pings get an answer? */
  pongs = true;
  /** What was asked, in order. */
  readonly requests: LogicPacket[] = [];
  readonly dialled: string[] = [];
  readonly channels: FakeChannel[] = [];
  readonly acked = new Map<string, number>();
  readonly inboxes = new Map<string, pkt.MessagePush[]>();
  readonly groups = new FakeGroups();
  readonly #byClientId = new Map<string, pkt.MessageResp>();
  #ids = 1_000_000n;
  #seqs = new Map<string, number>();
  #channelIds = 0;

  /** What a client is given as `connect`. */
  readonly connect: Connect = (url, events) => {
    this.dialled.push(url);
    const channel = new FakeChannel(this, `gw_${++this.#channelIds}`, events);
    const unreachable = this.down.has(url);
    queueMicrotask(() => {
      if (unreachable) return channel.cut();
      this.channels.push(channel);
      events.opened();
    });
    return { send: (bytes) => channel.received(bytes), close: (why) => channel.left(why) };
  };

  /** Channels of an account that are logged in. */
  online(account: string): FakeChannel[] {
    return this.channels.filter((one) => one.open && one.account === account);
  }

  /** All requests of one command, decoded. */
  asked<T>(command: string, type: BodyType<T>): T[] {
    return this.requests.filter((one) => one.header.command === command).map((one) => decodeBody(type, one.body));
  }

  inbox(account: string): pkt.MessagePush[] {
    let inbox = this.inboxes.get(account);
    if (!inbox) this.inboxes.set(account, inbox = []);
    return inbox;
  }

  /** Stores a message for an account or a group and pushes it to everybody online but `from`. */
  say(
    sender: string,
    dest: string,
    body: string,
    more: Partial<pkt.MessageReq> = {},
    from?: FakeChannel,
  ): pkt.MessageResp {
    const key = `${sender} ${more.clientMsgId}`;
    const known = more.clientMsgId ? this.#byClientId.get(key) : undefined;
    if (known) return known;
    const group = this.groups.all.get(dest);
    const conversation = group ? dest : [sender, dest].sort().join();
    const seq = (this.#seqs.get(conversation) ?? 0) + 1;
    this.#seqs.set(conversation, seq);
    const messageId = ++this.#ids;
    const common = { messageId, sendTime: messageId * 1_000n, type: more.type ?? 1, body, extra: more.extra ?? "" };
    const clientMsgId = more.clientMsgId ?? "";
    const row = { ...common, sender, seq, userSeq: 0, dest, clientMsgId, group: group !== undefined };
    group?.messages.push(row);
    if (!group?.large) {
      for (const account of group?.members.keys() ?? new Set([sender, dest])) this.#file(row, account, from);
    } else for (const account of group.members.keys()) this.#tell(account, row, from);
    const userSeq = group?.large ? 0 : this.inbox(sender).length;
    const answer = { messageId, sendTime: common.sendTime, seq, userSeq };
    if (more.clientMsgId) this.#byClientId.set(key, answer);
    return answer;
  }

  /** Inbox rows for what `account` was sent in a large group, as the server makes them for old clients. */
  makeRows(group: FakeGroup, account: string): void {
    const { messages, filled } = group;
    for (const row of messages.slice(Math.max(filled.get(account) ?? 0, group.members.get(account) ?? 0))) {
      if (!this.inbox(account).some((one) => one.messageId === row.messageId)) this.#file(row, account);
    }
    filled.set(account, messages.length);
  }

  /** Writes it into the account's inbox, and tells those who are online. */
  #file(row: pkt.MessagePush, account: string, from?: FakeChannel): void {
    const inbox = this.inbox(account);
    const full = { ...row, userSeq: inbox.length + 1 };
    inbox.push(full);
    this.#tell(account, full, from);
  }

  #tell(account: string, row: pkt.MessagePush, from: FakeChannel | undefined): void {
    for (const channel of this.online(account)) {
      if (channel !== from) this.push(row.userSeq, () => channel.push(row), channel);
    }
  }

  /** All logs are made anew, empty. */
  remake(epoch: string): void {
    this.epoch = epoch;
    this.inboxes.clear();
    this.#byClientId.clear();
  }

  handle(packet: LogicPacket, channel: FakeChannel): void {
    this.requests.push(packet);
    const status = this.answer(packet, channel);
    if (status === "silence") return;
    if (status !== undefined && status !== 0) return channel.reply(packet.header, status, NO_BODY);
    const answer = this.groups.answer(packet, channel.account) ?? this.#bodyOf(packet, channel);
    if (typeof answer === "number") return channel.reply(packet.header, answer, NO_BODY);
    channel.reply(packet.header, 0, answer);
    if (packet.header.command === SIGN_IN) channel.afterLogin();
  }

  #bodyOf({ header, body }: LogicPacket, channel: FakeChannel): Uint8Array {
    switch (header.command) {
      case SIGN_IN:
        return encodeBody(pkt.LoginResp, this.#signIn(header, decodeBody(pkt.LoginReq, body), channel));
      case USER_TALK:
      case GROUP_TALK: {
        const request = decodeBody(pkt.MessageReq, body);
        return encodeBody(pkt.MessageResp, this.say(channel.account, header.dest, request.body, request, channel));
      }
      case SYNC:
        return encodeBody(pkt.SyncResp, this.#sync(decodeBody(pkt.SyncReq, body), channel.account));
      case TALK_ACK: {
        const { userSeq } = decodeBody(pkt.MessageAckReq, body);
        this.acked.set(channel.account, Math.max(userSeq, this.acked.get(channel.account) ?? 0));
        return NO_BODY;
      }
      default:
        return NO_BODY;
    }
  }

  /** The token is the account's name. */
  #signIn(header: Header, request: pkt.LoginReq, channel: FakeChannel): pkt.LoginResp {
    const device = findText(header.meta, META.DEVICE) ?? "";
    for (const old of this.online(request.token)) if (old.device === device) old.kick();
    channel.account = request.token;
    channel.device = device;
    const inbox = this.inbox(channel.account);
    const epoch = inbox.length === 0 ? "0" : this.epoch;
    const head = inbox.length;
    let reason = "";
    if (request.epoch === "") reason = "no cursor";
    else if (request.epoch !== epoch || request.cursor > head) reason = "epoch";
    else if (head - request.cursor > this.resume) reason = "too far";
    if (reason === "") channel.resumeFrom = request.cursor;
    const acked = this.acked.get(channel.account) ?? 0;
    const { heartbeatMs } = this;
    return {
      channelId: channel.id,
      account: channel.account,
      recovered: reason === "",
      reason,
      head,
      epoch,
      acked,
      heartbeatMs,
      rooms: this.groups.rooms(channel.account),
    };
  }

  #sync({ after, limit, upTo }: pkt.SyncReq, account: string): pkt.SyncResp {
    const inbox = this.inbox(account);
    const end = Math.min(inbox.length, upTo || Infinity, after + limit);
    const messages = inbox.slice(after, end).filter((row) => row.messageId !== 0n); // 0: was trimmed
    return {
      messages,
      head: inbox.length,
      epoch: inbox.length === 0 ? "0" : this.epoch,
      scannedTo: Math.max(end, after),
    };
  }
}

/** Lets everything happen that needs no time: microtasks, many deep. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 60; i++) await Promise.resolve();
}

/** A client of that server, what it was handed and what it told. */
export function fakeClient(server: FakeServer, clock: FakeClock, options: Partial<ClientOptions> = {}) {
  const client = new PetrelClient({
    url: "ws://one",
    token: "bob",
    connect: server.connect,
    clock,
    random: () => 0.5,
    ...options,
  });
  const received: Message[] = [];
  const states: StateChange[] = [];
  const closed: ClientEvents["closed"][] = [];
  client.onMessage((message) => void received.push(message));
  client.on("state", (change) => void states.push(change));
  client.on("closed", (event) => void closed.push(event));
  const bodies = () => received.map((message) => message.body);
  return { client, received, bodies, states, closed };
}

/** The same, logged in. */
export async function onlineClient(server: FakeServer, clock: FakeClock, options: Partial<ClientOptions> = {}) {
  const all = fakeClient(server, clock, options);
  await all.client.login();
  await settle();
  return all;
}
