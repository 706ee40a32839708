import { Backoff } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { decodeBody, encodeBody } from "../protocol/bodies.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import { pkt } from "../protocol/gen/pkt.js";
import type { Meta } from "../protocol/header.ts";
import type { LogicPacket } from "../protocol/packet.ts";
import { STATUS } from "../protocol/status.ts";
import { LOST } from "./close.ts";
import { SIGN_IN } from "./commands.ts";
import { Connection } from "./connection.ts";
import type { Connect } from "./socket.ts";

/** A connection that lasted so long was a good one: the next back-off starts small again. */
const GOOD_MS = 10_000;
/** What the server does not say: an old one, or not our client's login. */
const HEARTBEAT_MS = 25_000;

export type ClientState = "offline" | "connecting" | "online" | "closed";

/** What the login needs, fetched anew for every attempt. */
export interface Credentials {
  readonly token: string;
  readonly cursor: number;
  readonly epoch: string;
}

export interface ReconnectorOptions {
  /** Tried in this order, one after the other. */
  readonly urls: readonly string[];
  readonly connect: Connect;
  readonly meta: readonly Meta[];
  /** Can `credentials` give another token when one has expired? */
  readonly renewsToken: boolean;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

export interface ReconnectorEvents {
  /** Rejects with UNAUTHORIZED: there will never be one; with anything else: not now. */
  credentials(): Promise<Credentials>;
  /** Logged in; pushes follow. */
  online(connection: Connection, login: pkt.LoginResp): void;
  /** A connection that was online is gone. */
  offline(why: CloseReason): void;
  push(packet: LogicPacket): void;
  head(pos: number): void;
  /** `retryInMs`: until the next attempt, when the state is "offline". */
  state(state: ClientState, why: CloseReason | undefined, retryInMs: number | undefined): void;
  /** For good: `why` says do not come back, or the login was refused with `error`. */
  stopped(why: CloseReason, error: ImError | undefined): void;
}

type State =
  | { readonly at: "offline"; readonly timer: Timer | undefined }
  | { readonly at: "connecting"; connection: Connection | undefined }
  | { readonly at: "online"; readonly connection: Connection; readonly sinceMs: number }
  | { readonly at: "closed" };

/**
 * Keeps one connection up for as long as the server lets it.
 *
 *   offline ──start, back-off over, wake──► connecting ──login answered──► online
 *      ▲                                     │  refused, lost               │ lost
 *      └───── next address, back-off ────────┴──────────────────────────────┤
 *                                                                           └── "do not come back" ──► closed
 */
export class Reconnector {
  readonly #options: ReconnectorOptions;
  readonly #events: ReconnectorEvents;
  readonly #backoff: Backoff;
  #state: State = { at: "offline", timer: undefined };
  #attempt = 0;
  #url = 0;

  constructor(options: ReconnectorOptions, events: ReconnectorEvents) {
    this.#options = options;
    this.#events = events;
    this.#backoff = new Backoff(options.random);
  }

  get state(): ClientState {
    return this.#state.at;
  }

  /** The address of the present or next attempt. */
  get url(): string {
    return this.#options.urls[this.#url]!;
  }

  /** Connects now instead of waiting; while connected, finds out whether it still is. */
  wake(): void {
    if (this.#state.at === "offline") void this.#connect();
    else if (this.#state.at === "online") this.#state.connection.probe();
  }

  /** Ends it for good. */
  close(why: CloseReason, error?: ImError): void {
    if (this.#state.at === "closed") return;
    const state = this.#state;
    this.#state = { at: "closed" };
    if (state.at === "online") this.#events.offline(why);
    if (state.at === "offline") state.timer?.stop();
    else state.connection?.close(why);
    this.#events.state("closed", why, undefined);
    this.#events.stopped(why, error);
  }

  async #connect(): Promise<void> {
    if (this.#state.at === "offline") this.#state.timer?.stop();
    const attempt = ++this.#attempt;
    const state: State = this.#state = { at: "connecting", connection: undefined };
    this.#events.state("connecting", undefined, undefined);
    try {
      const credentials = await this.#events.credentials();
      if (this.#state === state) this.#login(state, attempt, credentials);
    } catch (thrown) {
      const error = ImError.from(thrown);
      if (this.#state !== state) return;
      this.#options.log.warn("no credentials to log in with", { error });
      if (error.code === "UNAUTHORIZED") this.close(CLOSE.UNAUTHORIZED, error);
      else this.#retry(LOST.NO_TOKEN);
    }
  }

  #login(state: State & { at: "connecting" }, attempt: number, credentials: Credentials): void {
    const { connect, clock, log, meta } = this.#options;
    const connection = new Connection(this.url, connect, clock, log, {
      push: (packet) => this.#events.push(packet),
      head: (pos) => this.#events.head(pos),
      closed: (why) => {
        if (this.#attempt === attempt) this.#lost(why);
      },
    });
    state.connection = connection;
    connection.request(
      SIGN_IN,
      "",
      encodeBody(pkt.LoginReq, credentials),
      (body) => this.#online(connection, decodeBody(pkt.LoginResp, body)),
      (error) => {
        if (this.#attempt === attempt && this.#state.at === "connecting") this.#refused(connection, error);
      },
      meta,
    );
  }

  #online(connection: Connection, login: pkt.LoginResp): void {
    this.#state = { at: "online", connection, sinceMs: this.#options.clock.mono() };
    connection.startHeartbeat(login.heartbeatMs || HEARTBEAT_MS);
    this.#events.state("online", undefined, undefined);
    if (this.state === "online") this.#events.online(connection, login); // unless a listener closed it
  }

  /** The login was answered with a status: one that waiting does not help ends it. */
  #refused(connection: Connection, error: ImError): void {
    this.#options.log.warn("login refused", { code: error.code });
    const retry = error.code === "SESSION_LOST" ||
      (error.code in STATUS && STATUS[error.code as keyof typeof STATUS].retry);
    if (retry) return connection.close(CLOSE.LOGIN_FAILED);
    const refused = error.code === "UNAUTHORIZED";
    const text = refused ? "the token was refused" : error.message;
    const why = refused ? CLOSE.UNAUTHORIZED : { ...CLOSE.LOGIN_FAILED, reconnect: false };
    this.close(why, new ImError(error.code, `Cannot log in: ${text}`));
  }

  #lost(why: CloseReason): void {
    const state = this.#state;
    if (state.at === "closed") return;
    if (state.at === "online") {
      if (this.#options.clock.mono() - state.sinceMs >= GOOD_MS) this.#backoff.reset();
      this.#state = { at: "offline", timer: undefined };
      this.#events.offline(why);
      if (this.state === "closed") return; // a listener closed it
    }
    const renew = this.#options.renewsToken && why.code === CLOSE.TOKEN_EXPIRED.code;
    if (why.reconnect || renew) this.#retry(why);
    else this.close(why);
  }

  #retry(why: CloseReason): void {
    this.#url = (this.#url + 1) % this.#options.urls.length;
    const retryInMs = this.#backoff.next();
    this.#state = { at: "offline", timer: this.#options.clock.after(retryInMs, () => void this.#connect()) };
    this.#events.state("offline", why, retryInMs);
  }
}
