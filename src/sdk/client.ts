import { type Clock, systemClock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import { type Logger, silent } from "../base/logger.ts";
import type { BodyCodec } from "../protocol/body_codec.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import * as pkt from "../protocol/gen/pkt_messages.ts";
import type { LogicPacket } from "../protocol/packet.ts";
import { Acker } from "./ack.ts";
import { Addresses } from "./addresses.ts";
import { closedError } from "./close.ts";
import { GROUP_TALK, SIGN_IN, TALK_ACK, USER_TALK } from "./commands.ts";
import type { Connection } from "./connection.ts";
import { defaultStorage } from "./default_storage.ts";
import { Delivery, type MessageHandler, type Step } from "./delivery.ts";
import { Events, type Listener } from "./events.ts";
import { Inbox } from "./inbox.ts";
import { type Message, messageOfPush, messageOfRow } from "./message.ts";
import { Outbox } from "./outbox.ts";
import { checkDevice, type ClientEvents, type ClientOptions, codecOf, loginMeta, type TalkOptions } from "./options.ts";
import { idMaker, random } from "./random.ts";
import { type ClientState, type Credentials, Reconnector } from "./reconnector.ts";
import { checkMessage, Outgoing, type SentMessage } from "./sent_message.ts";
import { connectWebSocket } from "./socket.ts";
import type { SavedMessage, SavedPosition } from "./storage.ts";
import { StorageKeeper } from "./storage_keeper.ts";
import { onWake } from "./wake.ts";

const LAST_HANDLER_MS = 1_000;

/**
 * A client of one account on one device. It stays connected until `close()` or until the server says not to come
 * back; hands over every message once and in the order of the inbox; sends messages in order per destination, each
 * stored once however often the connection breaks. Runs wherever there is WebSocket: browsers, Bun, Deno, Node 22.
 *
 *   const client = new PetrelClient({ url: "wss://chat.example.com", token: () => fetchToken() });
 *   client.onMessage(({ sender, body }) => show(sender, body));
 *   client.on("state", ({ state }) => banner(state === "online" ? "" : "offline"));
 *   client.on("sent", ({ id, state }) => mark(id, state)); // "durable" or "failed"; after a reload also "sending"
 *   await client.login();
 *   const { id } = client.talk("bob", "hello"); // "sending" from here on, also while offline
 *
 * In a page, give each tab a device of its own: `claimDevice`.
 */
export class PetrelClient {
  readonly #options: ClientOptions;
  readonly #codec: BodyCodec;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #keeper: StorageKeeper;
  readonly #events: Events<ClientEvents>;
  readonly #reconnector: Reconnector;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #delivery: Delivery;
  readonly #acker: Acker;
  readonly #newId: () => string;
  #login: Promise<void> | undefined;
  #loaded: Promise<void> | undefined;
  #loggedIn: PromiseWithResolvers<void> | undefined;
  #endWake: (() => void) | undefined;
  #account = "";
  #channelId = "";
  /** Stopped: what waited then, which the storage keeps for the next client. */
  #left: readonly SavedMessage[] | undefined;
  /** The last step whose handlers have run. */
  #handled = { pos: 0, log: 0 };

  /** @throws {ImError} CONFIG: no address, one that is not a URL, or an illegal device name. */
  constructor(options: ClientOptions) {
    const { device } = options;
    const addresses = new Addresses(options.url);
    checkDevice(device);
    const codec = this.#codec = codecOf(options.content);
    const clock = this.#clock = options.clock ?? systemClock;
    const log = this.#log = options.log ?? silent;
    const rnd = options.random ?? random;
    this.#options = options;
    this.#newId = idMaker(rnd);
    this.#events = new Events(log);
    const kept = { position: () => this.#position(), messages: () => this.#left ?? this.#outbox.saved };
    this.#keeper = new StorageKeeper(kept, clock, rnd, log, (error) => this.#events.emit("storage", { error }));
    if (options.storage) this.#keeper.use(options.storage);
    this.#acker = new Acker(clock);
    this.#delivery = new Delivery(log, (step) => this.#stepDone(step), () => this.#inbox.roomAgain());
    const rows = { read: (row: pkt.MessagePush) => this.#incoming(messageOfRow(row, this.#account)) };
    this.#inbox = new Inbox({ ...rows, renamed: () => this.#renamed() }, this.#delivery, clock, rnd, log);
    this.#outbox = new Outbox(
      {
        sent: (message) => this.#events.emit("sent", message),
        stored: (messageId, pos) => this.#stored(messageId, pos),
        settled: (id) => this.#keeper.drop(id),
      },
      { most: options.waiting ?? 1_000, refusedMs: options.refusedMs ?? 240_000 },
      clock,
      rnd,
    );
    const meta = loginMeta(device, codec);
    const connect = options.connect ?? connectWebSocket;
    const renewsToken = typeof options.token === "function";
    this.#reconnector = new Reconnector({ addresses, connect, codec, meta, renewsToken, clock, random: rnd, log }, {
      credentials: () => this.#credentials(),
      online: (connection, login) => this.#online(connection, login),
      offline: (why) => this.#offline(why),
      push: (packet) => this.#push(packet),
      head: (pos) => this.#inbox.head(pos),
      state: (state, why, retryInMs) => this.#events.emit("state", { state, why, retryInMs }),
      stopped: (why, error) => this.#stopped(why, error),
    });
  }

  get state(): ClientState {
    return this.#reconnector.state;
  }

  /** Ours, "" before the first login. */
  get account(): string {
    return this.#account;
  }

  /** Messages that are not settled yet, also those an earlier run left in the storage. */
  get waiting(): readonly SentMessage[] {
    return this.#outbox.waiting;
  }

  /**
   * Connects, and stays connected. Resolves at the first login; as long as the server cannot be reached it goes on
   * trying. Rejects with an ImError: UNAUTHORIZED (or what the login was refused with), CLOSED after `close()`.
   */
  login(): Promise<void> {
    return this.#login ??= this.#start();
  }

  /** While offline: tries to connect now instead of waiting. Otherwise nothing changes. */
  retryNow(): void {
    if (this.#loggedIn && this.state === "offline") this.#reconnector.wake();
  }

  /**
   * Sends a message; what is returned tells how that goes. Before the login and while offline it waits. Fails at once
   * with INVALID_BODY (too long, no legal name), QUOTA (too many wait) or CLOSED.
   */
  talk(dest: string, body: string, { type = 1, extra = "", group = false }: TalkOptions = {}): SentMessage {
    const createdMs = this.#clock.now();
    const message = new Outgoing({ id: this.#newId(), dest, group, type, body, extra, createdMs }, this.#clock.mono());
    const error = this.#whyNot(message);
    if (error) {
      message.failed(error);
      queueMicrotask(() => this.#events.emit("sent", message));
      return message;
    }
    this.#keeper.message(message.saved());
    this.#outbox.add(message);
    return message;
  }

  /**
   * Hands over every message, one after the other; a handler may be asynchronous, the next message waits for it. As
   * long as there is no handler messages wait. One that throws is logged, its message counts as handled. The function
   * returned takes the handler away.
   */
  onMessage(handler: MessageHandler): () => void {
    return this.#delivery.onMessage(handler);
  }

  /** Calls `listener` for every such event; the function returned ends that. */
  on<Name extends keyof ClientEvents>(name: Name, listener: Listener<ClientEvents[Name]>): () => void {
    return this.#events.on(name, listener);
  }

  /**
   * Ends it: messages that wait fail with CLOSED (a storage that keeps messages keeps them for the next client).
   * Resolves when everything handled has been saved; a handler that runs, or a slow storage, is waited for a second at
   * most. Need not be awaited. Twice is harmless.
   */
  async close(): Promise<void> {
    this.#acker.flush();
    this.#reconnector.close(CLOSE.NORMAL);
    // The limit is for a handler that waits for this very promise, and for a storage that hangs.
    const { promise, resolve } = Promise.withResolvers<void>();
    const limit = this.#clock.after(LAST_HANDLER_MS, resolve);
    await Promise.race([this.#delivery.close().then(() => this.#keeper.close()), promise]);
    limit.stop();
  }

  async #start(): Promise<void> {
    if (this.#options.storage) await (this.#loaded = this.#load());
    if (this.state === "closed") throw closedError(CLOSE.NORMAL);
    this.#loggedIn = Promise.withResolvers();
    this.#endWake = onWake(() => this.#reconnector.wake(), this.#clock);
    this.#reconnector.wake();
    await this.#loggedIn.promise;
  }

  async #load(): Promise<void> {
    const { position, messages = [] } = await this.#keeper.load();
    if (position) {
      this.#handled = { pos: position.cursor, log: this.#inbox.log };
      this.#inbox.restore(position.cursor, position.epoch);
      for (const id of position.seen) this.#delivery.markSeen(BigInt(id));
    }
    this.#outbox.restore(messages);
  }

  async #credentials(): Promise<Credentials> {
    const { token } = this.#options;
    const text = typeof token === "string" ? token : await token();
    if (!this.#loaded) this.#keeper.use(defaultStorage(this.#options, text));
    await (this.#loaded ??= this.#load().then(() => this.#keeper.all()));
    return { token: text, cursor: this.#inbox.cursor, epoch: this.#inbox.epoch };
  }

  #online(connection: Connection, login: pkt.LoginResp): void {
    this.#account = login.account;
    this.#channelId = login.channelId;
    this.#loggedIn?.resolve();
    this.#outbox.start(connection);
    this.#inbox.start(connection, login);
    this.#acker.start(({ pos, messageId }) => {
      connection.post(TALK_ACK, connection.codec.encode(pkt.MessageAckReq, { userSeq: pos, messageId }));
    });
  }

  #offline(why: CloseReason): void {
    this.#acker.stop();
    this.#outbox.stop();
    this.#inbox.stop();
    if (why.code === CLOSE.SHUTDOWN.code) this.#events.emit("drain", { url: this.#reconnector.url });
    if (why.code === CLOSE.TOKEN_EXPIRED.code) {
      this.#events.emit("tokenExpired", { renewing: typeof this.#options.token === "function" });
    }
  }

  #stopped(why: CloseReason, cause: ImError | undefined): void {
    this.#endWake?.();
    void this.#delivery.close();
    const error = cause ?? closedError(why);
    this.#left = this.#outbox.saved;
    this.#outbox.close(error);
    this.#loggedIn?.reject(error);
    if (why.code === CLOSE.KICKED.code) this.#events.emit("kicked", { channelId: this.#channelId });
    this.#events.emit("closed", { why, error });
  }

  #push(packet: LogicPacket): void {
    const { command } = packet.header;
    if (command === USER_TALK || command === GROUP_TALK) {
      const message = messageOfPush(packet, this.#codec, this.#account);
      this.#inbox.offer(message.pos, message.messageId, this.#incoming(message));
    } else if (command === SIGN_IN) {
      const { channelId } = this.#codec.decode(pkt.KickoutNotify, packet.body);
      if (channelId === this.#channelId) this.#reconnector.close(CLOSE.KICKED);
    }
  }

  /** What to hand over: not what this client sent itself and has not heard the answer of. */
  #incoming(message: Message): Message | undefined {
    const { own, clientMsgId, messageId, sendTime, seq } = message;
    const ours = own && clientMsgId !== "" && this.#outbox.settle(clientMsgId, { messageId, sendTime, seq });
    return ours ? undefined : message;
  }

  /**
   * What we sent is not handed over when it comes along the inbox, also not in the next run: that is saved before the
   * message itself is forgotten.
   */
  #stored(messageId: bigint, pos: number): void {
    this.#delivery.markSeen(messageId);
    this.#keeper.position();
    if (pos > 0) this.#inbox.offer(pos, messageId, undefined);
  }

  #stepDone({ pos, messageId, log }: Step): void {
    // A position of a log that is no more means nothing, but its message was handed over.
    if (pos === 0 || log === this.#inbox.log) {
      if (pos > 0) this.#handled = { pos, log };
      if (pos > 0 || messageId !== 0n) this.#acker.handled(pos, messageId);
    }
    this.#keeper.position();
  }

  /** The log has another name: what was handled of the old one is not to be acknowledged in the new one. */
  #renamed(): void {
    if (this.#handled.log !== this.#inbox.log) this.#acker.forget();
    this.#keeper.position();
  }

  #position(): SavedPosition | undefined {
    const { epoch, log } = this.#inbox;
    const seen = this.#delivery.seen.map(String);
    if (epoch === "" && seen.length === 0) return undefined;
    return { cursor: this.#handled.log === log ? this.#handled.pos : 0, epoch, seen };
  }

  #whyNot(message: SentMessage): ImError | undefined {
    if (this.state === "closed") return new ImError("CLOSED", "Cannot talk: the client is closed");
    if (this.#outbox.full) return new ImError("QUOTA", "Cannot talk: too many messages wait");
    return checkMessage(message);
  }
}
