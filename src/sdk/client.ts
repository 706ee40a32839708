import { type Clock, systemClock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import { type Logger, silent } from "../base/logger.ts";
import type { BodyCodec } from "../protocol/body_codec.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import * as pkt from "../protocol/gen/pkt_messages.ts";
import type { LogicPacket } from "../protocol/packet.ts";
import { Addresses } from "./addresses.ts";
import { Asker } from "./asker.ts";
import { closedError } from "./close.ts";
import { GROUP_CREATE, GROUP_JOIN, GROUP_QUIT, GROUP_TALK, READ, SIGN_IN, USER_TALK } from "./commands.ts";
import type { Connection } from "./connection.ts";
import { Conversations } from "./conversations.ts";
import { defaultStorage } from "./default_storage.ts";
import type { MessageHandler } from "./delivery.ts";
import { Events, type Listener } from "./events.ts";
import { Groups } from "./groups.ts";
import { Outbox } from "./outbox.ts";
import { checkDevice, type ClientEvents, type ClientOptions, codecOf, loginMeta, type TalkOptions } from "./options.ts";
import { idMaker, random } from "./random.ts";
import { Receiver } from "./receiver.ts";
import { type ClientState, type Credentials, Reconnector } from "./reconnector.ts";
import type { Skipped } from "./rooms.ts";
import { checkMessage, Outgoing, type Receipt, type SentMessage } from "./sent_message.ts";
import { connectWebSocket } from "./socket.ts";
import type { SavedMessage } from "./storage.ts";
import { StorageKeeper } from "./storage_keeper.ts";
import { onWake } from "./wake.ts";

const LAST_HANDLER_MS = 1_000;

/**
 * A client of one account on one device. It stays connected until `close()` or until the server says not to come
 * back; hands over every message once and in the order of the inbox; sends messages in order per destination, each
 * stored once however often the connection breaks. Runs wherever there is WebSocket: browsers, Bun, Deno, Node 22.
 *
 * ```ts
 * import { PetrelClient } from "petrel";
 *
 * const token = async () => await (await fetch("/my-token")).text(); // your own server says who somebody is
 * const client = new PetrelClient({ url: "wss://chat.example.com", token });
 * client.onMessage(({ sender, body }) => console.log(`${sender}: ${body}`));
 * client.on("state", ({ state }) => console.log(state));
 * client.on("sent", ({ id, state }) => console.log(id, state)); // "durable" or "failed"; after a reload also "sending"
 * await client.login();
 * const { id } = client.talk("bob", "hello"); // "sending" from here on, also while offline
 * ```
 *
 * In a page, give each tab a device of its own: `claimDevice`.
 */
export class PetrelClient {
  /** Make groups, join and leave them, read who is in. */
  readonly groups: Groups;
  /** The list of conversations, history, read positions. */
  readonly conversations: Conversations;
  readonly #options: ClientOptions;
  readonly #codec: BodyCodec;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #keeper: StorageKeeper;
  readonly #events: Events<ClientEvents>;
  readonly #reconnector: Reconnector;
  readonly #outbox: Outbox;
  readonly #receiver: Receiver;
  readonly #asker: Asker;
  readonly #newId: () => string;
  #login: Promise<void> | undefined;
  #loaded: Promise<void> | undefined;
  #loggedIn: PromiseWithResolvers<void> | undefined;
  #endWake: (() => void) | undefined;
  #account = "";
  #channelId = "";
  /** Stopped: what waited then, which the storage keeps for the next client. */
  #left: readonly SavedMessage[] | undefined;

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
    const kept = { position: () => this.#receiver.position, messages: () => this.#left ?? this.#outbox.saved };
    this.#keeper = new StorageKeeper(kept, clock, rnd, log, (error) => this.#events.emit("storage", { error }));
    if (options.storage) this.#keeper.use(options.storage);
    const port = {
      settle: (id: string, receipt: Receipt) => this.#outbox.settle(id, receipt),
      moved: () => this.#keeper.position(),
      skipped: (skipped: Skipped) => this.#events.emit("skipped", skipped),
    };
    this.#receiver = new Receiver(port, codec, options.backlog ?? 1_000, clock, rnd, log);
    this.#outbox = new Outbox(
      {
        sent: (message) => this.#events.emit("sent", message),
        stored: (message, receipt, pos) => this.#receiver.stored(message, receipt, pos),
        settled: (id) => this.#keeper.drop(id),
      },
      { most: options.waiting ?? 1_000, refusedMs: options.refusedMs ?? 240_000 },
      clock,
      rnd,
    );
    this.#asker = new Asker(codec, clock, rnd);
    this.groups = new Groups(this.#asker, () => this.#account);
    this.conversations = new Conversations(this.#asker, clock, () => this.#account);
    const meta = loginMeta(device, codec);
    const connect = options.connect ?? connectWebSocket;
    const renewsToken = typeof options.token === "function";
    this.#reconnector = new Reconnector({ addresses, connect, codec, meta, renewsToken, clock, random: rnd, log }, {
      credentials: () => this.#credentials(),
      online: (connection, login) => this.#online(connection, login),
      offline: (why) => this.#offline(why),
      push: (packet) => this.#push(packet),
      head: (pos) => this.#receiver.head(pos),
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
    return this.#receiver.onMessage(handler);
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
    this.#receiver.flush();
    this.#reconnector.close(CLOSE.NORMAL);
    // The limit is for a handler that waits for this very promise, and for a storage that hangs.
    const { promise, resolve } = Promise.withResolvers<void>();
    const limit = this.#clock.after(LAST_HANDLER_MS, resolve);
    await Promise.race([this.#receiver.close().then(() => this.#keeper.close()), promise]);
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
    if (position) this.#receiver.restore(position);
    this.#outbox.restore(messages);
  }

  async #credentials(): Promise<Credentials> {
    const { token } = this.#options;
    const text = typeof token === "string" ? token : await token();
    if (!this.#loaded) this.#keeper.use(defaultStorage(this.#options, text));
    await (this.#loaded ??= this.#load().then(() => this.#keeper.all()));
    return { token: text, cursor: this.#receiver.cursor, epoch: this.#receiver.epoch };
  }

  #online(connection: Connection, login: pkt.LoginResp): void {
    this.#account = login.account;
    this.#channelId = login.channelId;
    this.#loggedIn?.resolve();
    this.#outbox.start(connection);
    this.#receiver.start(connection, login);
    this.#asker.start(connection);
  }

  #offline(why: CloseReason): void {
    this.#outbox.stop();
    this.#receiver.stop();
    this.#asker.stop();
    if (why.code === CLOSE.SHUTDOWN.code) this.#events.emit("drain", { url: this.#reconnector.url });
    if (why.code === CLOSE.TOKEN_EXPIRED.code) {
      this.#events.emit("tokenExpired", { renewing: typeof this.#options.token === "function" });
    }
  }

  #stopped(why: CloseReason, cause: ImError | undefined): void {
    this.#endWake?.();
    void this.#receiver.close();
    const error = cause ?? closedError(why);
    this.#asker.close(error);
    this.#left = this.#outbox.saved;
    this.#outbox.close(error);
    this.#loggedIn?.reject(error);
    if (why.code === CLOSE.KICKED.code) this.#events.emit("kicked", { channelId: this.#channelId });
    this.#events.emit("closed", { why, error });
  }

  #push(packet: LogicPacket): void {
    const { command } = packet.header;
    if (command === USER_TALK || command === GROUP_TALK) this.#receiver.push(packet);
    else if (command === SIGN_IN) {
      const { channelId } = this.#codec.decode(pkt.KickoutNotify, packet.body);
      if (channelId === this.#channelId) this.#reconnector.close(CLOSE.KICKED);
    } else this.#news(packet);
  }

  /** What others, or our other devices, did to groups and read positions. */
  #news({ header: { command, dest: peer }, body }: LogicPacket): void {
    if (command === GROUP_CREATE) {
      const { groupId: group, members } = this.#codec.decode(pkt.GroupCreateNotify, body);
      this.#events.emit("group", { change: "created", group, accounts: members });
    } else if (command === GROUP_JOIN) {
      const { groupId: group, account } = this.#codec.decode(pkt.GroupJoinNotify, body);
      this.#events.emit("group", { change: "joined", group, accounts: [account] });
    } else if (command === GROUP_QUIT) {
      const { groupId: group, account } = this.#codec.decode(pkt.GroupQuitNotify, body);
      this.#events.emit("group", { change: "left", group, accounts: [account] });
    } else if (command === READ) {
      const { group, seq } = this.#codec.decode(pkt.ReadReq, body);
      this.#events.emit("read", { peer, group, seq });
    }
  }

  #whyNot(message: SentMessage): ImError | undefined {
    if (this.state === "closed") return new ImError("CLOSED", "Cannot talk: the client is closed");
    if (this.#outbox.full) return new ImError("QUOTA", "Cannot talk: too many messages wait");
    return checkMessage(message);
  }
}
