import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { BodyCodec } from "../protocol/body_codec.ts";
import * as pkt from "../protocol/gen/pkt_messages.ts";
import type { LogicPacket } from "../protocol/packet.ts";
import { Acker } from "./ack.ts";
import { TALK_ACK } from "./commands.ts";
import type { Requests } from "./connection.ts";
import { Delivery, type MessageHandler, type Step } from "./delivery.ts";
import { Inbox } from "./inbox.ts";
import { type Arrival, type Message, messageOfPush, messageOfRow } from "./message.ts";
import { Rooms, type Skipped } from "./rooms.ts";
import { SentIds } from "./sent_ids.ts";
import type { Receipt, SentMessage } from "./sent_message.ts";
import type { SavedPosition } from "./storage.ts";

/** What the receiver asks of its owner. */
export interface ReceiverPort {
  /** A message of ours was seen: tells whether it is one that waits for its answer here. */
  settle(clientMsgId: string, receipt: Receipt): boolean;
  /** `Receiver.position` changed. */
  moved(): void;
  skipped(skipped: Skipped): void;
}

/**
 * Everything that comes: pushes and pages, by way of the inbox or a room, in order to the handlers, once.
 *
 *   push ──┬─► inbox ──┬─────────────► delivery ──► handlers ──► place saved, acknowledged
 *          │           └ large group ┐    ▲
 *          └ without position ───────┴► rooms
 */
export class Receiver {
  readonly #port: ReceiverPort;
  readonly #codec: BodyCodec;
  readonly #inbox: Inbox;
  readonly #rooms: Rooms;
  readonly #delivery: Delivery;
  readonly #acker: Acker;
  readonly #sent = new SentIds();
  #account = "";
  /** The last step of the inbox whose handlers have run. */
  #handled = { pos: 0, log: 0 };

  constructor(
    port: ReceiverPort,
    codec: BodyCodec,
    backlog: number,
    clock: Clock,
    random: () => number,
    log: Logger,
  ) {
    this.#port = port;
    this.#codec = codec;
    this.#acker = new Acker(clock);
    const delivery = this.#delivery = new Delivery(log, (step) => this.#stepDone(step), () => {
      this.#inbox.roomAgain();
      this.#rooms.roomAgain();
    });
    const read = (row: pkt.MessagePush) => this.#arrival(messageOfRow(row, this.#account));
    this.#inbox = new Inbox(
      { read, give: (pos, arrival, log) => this.#give(pos, arrival, log), renamed: () => this.#renamed() },
      delivery,
      clock,
      random,
      log,
    );
    const give = (group: string, seq: number, arrival: Arrival = { ...NOTHING, group, seq }) => {
      delivery.add({ ...arrival, pos: 0, log: this.#inbox.log });
    };
    const skipped = (one: Skipped) => port.skipped(one);
    this.#rooms = new Rooms({ read, give, skipped }, backlog, delivery, clock, random, log);
  }

  /** Every position up to here is on its way to the handlers. */
  get cursor(): number {
    return this.#inbox.cursor;
  }

  get epoch(): string {
    return this.#inbox.epoch;
  }

  /** What a storage keeps of it; undefined: nothing is known yet. */
  get position(): SavedPosition | undefined {
    const { epoch, log } = this.#inbox;
    const seen = this.#delivery.seen.map(String);
    if (epoch === "" && seen.length === 0) return undefined;
    const [groups, sent] = [this.#rooms.saved, this.#sent.saved];
    const place = { cursor: this.#handled.log === log ? this.#handled.pos : 0, epoch, seen };
    return { ...place, ...groups && { groups }, ...sent && { sent } };
  }

  /** What an earlier run saved. */
  restore({ cursor, epoch, seen, groups = {}, sent = {} }: SavedPosition): void {
    this.#handled = { pos: cursor, log: this.#inbox.log };
    this.#inbox.restore(cursor, epoch);
    this.#rooms.restore(groups);
    this.#sent.restore(sent);
    for (const id of seen) this.#delivery.markSeen(BigInt(id));
  }

  /** The login was answered; pushes may come from here on. */
  start(requests: Requests, login: pkt.LoginResp): void {
    this.#account = login.account;
    this.#rooms.start(requests, login.rooms, this.#inbox.epoch === "");
    this.#inbox.start(requests, login);
    this.#acker.start(({ pos, messageId }) => {
      requests.post(TALK_ACK, requests.codec.encode(pkt.MessageAckReq, { userSeq: pos, messageId }));
    });
  }

  /** The connection is gone. */
  stop(): void {
    this.#acker.stop();
    this.#inbox.stop();
    this.#rooms.stop();
  }

  /** A talk push. @throws {ImError} BODY_INVALID */
  push(packet: LogicPacket): void {
    const message = messageOfPush(packet, this.#codec, this.#account);
    const arrival = this.#arrival(message);
    if (message.pos === 0 && arrival.group !== "") this.#rooms.offer(arrival);
    else this.#inbox.offer(message.pos, arrival);
  }

  /** A pong told where the inbox ends. */
  head(pos: number): void {
    this.#inbox.head(pos);
  }

  /**
   * A message of ours is stored. It is not handed over when it comes along the inbox, also not in the next run: that is
   * saved before the message itself is forgotten.
   */
  stored({ id, group, dest }: SentMessage, { seq }: Receipt, pos: number | undefined): void {
    this.#sent.add(id);
    this.#port.moved();
    if (pos === undefined) return;
    const arrival = { ...NOTHING, group: group && seq > 0 ? dest : "", seq };
    if (pos > 0) this.#inbox.offer(pos, arrival);
    else if (arrival.group !== "") this.#rooms.offer(arrival);
  }

  onMessage(handler: MessageHandler): () => void {
    return this.#delivery.onMessage(handler);
  }

  /** Tells the server what was handled, without waiting. */
  flush(): void {
    this.#acker.flush();
  }

  /** No handler is called any more; resolves after one that runs. */
  close(): Promise<void> {
    return this.#delivery.close();
  }

  /** What is to be handed over: not what this client sent itself and has heard the answer of, by now. */
  #arrival(message: Message): Arrival {
    const { own, clientMsgId, messageId, sendTime, seq } = message;
    const ours = own && clientMsgId !== "" &&
      (this.#port.settle(clientMsgId, { messageId, sendTime, seq }) || this.#sent.has(clientMsgId));
    const group = message.group && seq > 0 ? message.peer : "";
    return { messageId, message: ours ? undefined : message, group, seq };
  }

  /** What is next in the inbox. A large group's message is only passed by: its room hands it over in the group's order. */
  #give(pos: number, arrival: Arrival = NOTHING, log: number): void {
    const { group, seq } = arrival;
    const inRoom = this.#rooms.has(group);
    if (group !== "" && !inRoom) this.#rooms.passed(group, seq);
    this.#delivery.add({ ...inRoom ? NOTHING : arrival, pos, log });
    if (inRoom) this.#rooms.offer(arrival);
  }

  #stepDone({ pos, messageId, log, group, seq }: Step): void {
    if (group !== "") this.#rooms.handled(group, seq);
    // A position of a log that is no more means nothing, but its message was handed over.
    if (pos > 0 ? log === this.#inbox.log : group === "" && messageId !== 0n) {
      if (pos > 0) this.#handled = { pos, log };
      this.#acker.handled(pos, messageId);
    }
    this.#port.moved();
  }

  /** The log has another name: what was handled of the old one is not to be acknowledged in the new one. */
  #renamed(): void {
    if (this.#handled.log !== this.#inbox.log) this.#acker.forget();
    this.#port.moved();
  }
}

const NOTHING: Arrival = { messageId: 0n, message: undefined, group: "", seq: 0 };
