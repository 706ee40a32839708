import type { Upward } from "../../container/link.ts";
import { decodeBody, encodeBody } from "../../protocol/bodies.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, makeHeader } from "../../protocol/header.ts";
import { META, textMeta } from "../../protocol/meta.ts";
import { roomDigest } from "../../protocol/room_digest.ts";
import type { InRoom } from "../../protocol/route.ts";
import { STATUS } from "../../protocol/status.ts";
import type { ClientChannel } from "./client_channel.ts";
import { Bench, Wire } from "./gateway_bench.fixture.ts";

export const GROUP = "g4wmc1rcz2m8";

interface Stored {
  readonly seq: number;
  readonly sender: string;
  /** The channel it was sent over; "" for one elsewhere. */
  readonly from: string;
  readonly text: string;
}

/** A row of an account's inbox: what a position stands for. */
interface Row {
  readonly group: string;
  readonly seq: number;
}

/** A client in rooms: what it was sent, by the numbers it knows. */
export class Client {
  readonly wire: Wire;
  readonly channel: ClientChannel;
  constructor(wire: Wire, channel: ClientChannel) {
    this.wire = wire;
    this.channel = channel;
  }

  /** Seqs of the group's messages, in the order they were written. */
  seqs(group = GROUP): number[] {
    return this.wire.out.filter(({ header }) => header.flag === FLAG.PUSH && header.dest === group)
      .map(({ body }) => decodeBody(pkt.MessagePush, body).seq);
  }

  /** Inbox positions that came with `im.pos`, 0 for none. */
  positions(): number[] {
    return this.wire.out.filter(({ header }) => header.flag === FLAG.PUSH)
      .map(({ header }) => Number(header.meta.find(({ key }) => key === META.POS)?.value ?? 0));
  }
}

/** A gateway before a store of large groups, whose answers a test gives, refuses or spoils. */
export class RoomsBench extends Bench {
  readonly groups = new Map<string, Stored[]>([[GROUP, []]]);
  readonly inboxes = new Map<string, Row[]>();
  /** How far each account's rows were made, by `account group`; only accounts in here get rows. */
  readonly #filled = new Map<string, number>();
  /** The large groups of each account as the store knows them, and the seq it joined at. */
  readonly memberships = new Map<string, Map<string, number>>();
  /** Requests of the gateway's own that were answered. */
  #looked = new Map<string, number>();

  log(group = GROUP): Stored[] {
    let log = this.groups.get(group);
    if (!log) this.groups.set(group, log = []);
    return log;
  }
  inbox(account: string): Row[] {
    let rows = this.inboxes.get(account);
    if (!rows) this.inboxes.set(account, rows = []);
    return rows;
  }

  /** A message is stored; nobody is told. */
  store(sender = "bob", from = "", group = GROUP): Stored {
    const log = this.log(group);
    const message = { seq: log.length + 1, sender, from, text: `m${log.length + 1}` };
    log.push(message);
    return message;
  }

  /** The push of a stored message reaches the gateway. */
  tell(message: Stored, group = GROUP, more: { body?: Uint8Array; seq?: number; app?: string } = {}): void {
    this.logic.down.send({
      header: makeHeader("chat.group.talk", { flag: FLAG.PUSH, dest: group, channelId: message.from }),
      body: more.body ?? encodeBody(pkt.MessagePush, pushOf(message, group)),
      gateId: "gw",
      channels: [],
      positions: [],
      own: false,
      answers: 0,
      room: { app: more.app ?? "kim", seq: more.seq ?? message.seq },
    });
  }

  say(sender = "bob", from = "", group = GROUP): Stored {
    const message = this.store(sender, from, group);
    this.tell(message, group);
    return message;
  }

  /** A client whose login was answered with these rooms; an old one has also had its 300 ms. */
  client(
    account: string,
    caps: boolean,
    rooms: readonly InRoom[] = [{ group: GROUP, seq: this.log().length }],
  ): Client {
    const client = this.loggingIn(account, caps);
    this.opened(client, rooms);
    if (!caps) this.clock.advance(350);
    return client;
  }

  loggingIn(account: string, caps: boolean): Client {
    const wire = new Wire();
    const meta = caps ? [textMeta(META.CAPS, "1"), textMeta(META.DEVICE, "ours")] : [];
    return new Client(wire, this.first(wire, this.token(account), { meta }) as ClientChannel);
  }

  opened({ channel }: Client, rooms: readonly InRoom[]): void {
    for (const { group, seq } of rooms) {
      const key = `${channel.account} ${group}`;
      if (!this.#filled.has(key)) this.#filled.set(key, seq);
      this.member(channel.account, true, seq, group);
    }
    this.logic.down.send({
      header: makeHeader("login.signin", { channelId: channel.id, sequence: 7, flag: FLAG.RESPONSE }),
      body: encodeBody(pkt.LoginResp, { channelId: channel.id, account: channel.account }),
      gateId: "gw",
      channels: [channel.id],
      positions: [this.inbox(channel.account).length],
      own: false,
      answers: 0,
      rooms,
    });
  }

  /** The client's own talk is stored and answered; its push may come, or be lost. */
  talk({ channel }: Client, group = GROUP): Stored {
    this.send(channel, "chat.group.talk", { dest: group });
    const request = this.logic.up.at(-1)!;
    const message = this.store(channel.account, channel.id, group);
    this.logic.down.send({
      header: makeHeader("chat.group.talk", { ...request.header, flag: FLAG.RESPONSE }),
      body: encodeBody(pkt.MessageResp, { seq: message.seq }),
      gateId: "gw",
      channels: [channel.id],
      positions: [0],
      own: false,
      answers: request.key!.n,
      rooms: [{ group, seq: message.seq }],
    });
    return message;
  }

  /** Somebody joins or leaves; nobody is told. */
  member(account: string, joined: boolean, seq: number, group = GROUP): void {
    const groups = this.memberships.get(account) ?? new Map<string, number>();
    this.memberships.set(account, groups);
    if (joined) groups.set(group, seq);
    else groups.delete(group);
  }

  change({ channel }: Client, joined: boolean, seq: number, group = GROUP): void {
    this.member(channel.account, joined, seq, group);
    if (joined) this.#filled.set(`${channel.account} ${group}`, seq);
    this.logic.down.send({
      header: makeHeader("im.room", { flag: FLAG.PUSH }),
      body: encodeBody(pkt.RoomChange, { app: "kim", groupId: group, joined, seq }),
      gateId: "gw",
      channels: [channel.id],
      positions: [0],
      own: false,
      answers: 0,
    });
  }

  /** The gateway's own questions that nobody has looked at yet. */
  asked(command?: string, from = "chat1"): Upward[] {
    const { up } = this.links.get(from)!;
    const fresh = up.slice(this.#looked.get(from) ?? 0).filter(({ header }) => header.command.startsWith("im."));
    return command === undefined ? fresh : fresh.filter(({ header }) => header.command === command);
  }
  forgetAsked(from = "chat1"): void {
    this.#looked.set(from, this.links.get(from)!.up.length);
  }

  /** Answers what was asked until nothing is; `refuse` picks what gets 300. */
  serve(refuse: (command: string) => boolean = () => false, from = "chat1"): void {
    const one = this.links.get(from)!;
    for (let asked = this.asked(undefined, from); asked.length > 0; asked = this.asked(undefined, from)) {
      this.forgetAsked(from);
      for (const request of asked) {
        if (refuse(request.header.command)) this.reply(request, 0, STATUS.SYSTEM.wire, undefined, one);
        else this.reply(request, 0, 0, this.answerTo(request), one);
      }
    }
  }

  /** Time passes, every question is answered. */
  settle(ms = 3_000): void {
    for (let passed = 0; passed < ms; passed += 50) {
      for (const id of this.links.keys()) this.serve(undefined, id);
      this.clock.advance(50);
    }
  }

  answerTo({ header: { command }, body }: Upward): Uint8Array {
    if (command === "im.room.heads") {
      const heads = decodeBody(pkt.RoomHeadsReq, body).items.map(({ groupId }) => this.log(groupId).length);
      return encodeBody(pkt.RoomHeadsResp, { heads });
    }
    if (command === "im.room.fill") {
      const { groupId, after, limit } = decodeBody(pkt.RoomFillReq, body);
      const messages = this.log(groupId).slice(after, after + limit).map((one) => pushOf(one, groupId));
      return encodeBody(pkt.HistoryResp, { messages, first: 1, head: this.log(groupId).length });
    }
    if (command === "im.room.check") return this.#checked(decodeBody(pkt.RoomCheckReq, body).items);
    if (command === "im.room.rows") return this.#rowsFor(decodeBody(pkt.RoomRowsReq, body).accounts);
    if (command === "im.heads") {
      const positions = decodeBody(pkt.HeadsReq, body).items.map(({ account }) => this.inbox(account).length);
      return encodeBody(pkt.HeadsResp, { positions });
    }
    const { account, after, limit } = decodeBody(pkt.FillReq, body);
    const rows = this.inbox(account);
    const messages = rows.slice(after, after + limit).map(({ group, seq }, i) => ({
      ...pushOf(this.log(group)[seq - 1]!, group),
      userSeq: after + i + 1,
      dest: group,
      group: true,
    }));
    const scannedTo = Math.min(rows.length, after + limit);
    return encodeBody(pkt.SyncResp, { messages, head: rows.length, epoch: "e", scannedTo });
  }

  #checked(items: readonly pkt.RoomCheckItem[]): Uint8Array {
    const results = items.flatMap(({ account, digest }, item) => {
      const groups = this.memberships.get(account) ?? new Map<string, number>();
      if (roomDigest(groups.keys()) === digest) return [];
      const rooms = [...groups].map(([groupId, joinedSeq]) => ({ groupId, joinedSeq, head: this.log(groupId).length }));
      return [{ item, rooms }];
    });
    return encodeBody(pkt.RoomCheckResp, { results });
  }

  #rowsFor(accounts: readonly string[]): Uint8Array {
    const rows: pkt.RoomRow[] = [];
    accounts.forEach((account, at) => {
      for (const [groupId, log] of this.groups) {
        const key = `${account} ${groupId}`;
        const filled = this.#filled.get(key);
        if (filled === undefined) continue;
        for (const { seq } of log.slice(filled)) {
          const pos = this.inbox(account).push({ group: groupId, seq });
          rows.push({ account: at, groupId, seq, pos });
        }
        this.#filled.set(key, log.length);
      }
    });
    return encodeBody(pkt.RoomRowsResp, {
      heads: accounts.map((account) => this.inbox(account).length),
      rows,
    });
  }
}

function pushOf({ seq, sender, text }: Stored, group: string): pkt.MessagePush {
  const numbers = { messageId: BigInt(seq), type: 1, sendTime: 1n, seq, userSeq: 0 };
  return { ...numbers, body: text, extra: "", sender, dest: group, clientMsgId: "", group: false };
}

/** The numbers from `first` to `last`. */
export function upTo(last: number, first = 1): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
}

/** A client of ours in a room that has no question open. */
export function quiet(): { bench: RoomsBench; ann: Client } {
  const bench = new RoomsBench();
  const ann = bench.client("ann", true);
  bench.settle();
  return { bench, ann };
}
