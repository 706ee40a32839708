import { Backoff } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { BodyCodec } from "../protocol/body_codec.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import * as pkt from "../protocol/gen/pkt_messages.ts";
import type { Meta } from "../protocol/header.ts";
import type { LogicPacket } from "../protocol/packet.ts";
import { STATUS } from "../protocol/status.ts";
import type { Addresses } from "./addresses.ts";
import { LOST } from "./close.ts";
import { SIGN_IN } from "./commands.ts";
import { Connection } from "./connection.ts";
import type { Connect } from "./socket.ts";
import { tokenClaims } from "./token_claims.ts";

/**
 * A connection that lasted so long was a good one: the next back-off starts small again. Not longer, so that a network
 * that comes and goes every few seconds is used whenever it is there.
 */
const GOOD_MS = 1_000;
/** The application's functions that give addresses and tokens have so long. */
const PREPARE_MS = 20_000;
/** When woken, an attempt that began so long ago may have begun without a network. */
const HANGS_MS = 2_000;
/** After waking up a connection that is still good answers within so long. */
const AWAKE_MS = 4_000;
/** What the server does not say: an old one, or not our client's login. */
const HEARTBEAT_MS = 25_000;

/** "offline" waits and tries again by itself; "closed" is for good. */
export type ClientState = "offline" | "connecting" | "online" | "closed";

/** What the login needs, fetched anew for every attempt. */
export interface Credentials {
  readonly token: string;
  readonly cursor: number;
  readonly epoch: string;
}

export interface ReconnectorOptions {
  readonly addresses: Addresses;
  readonly connect: Connect;
  readonly codec: BodyCodec;
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
  | { readonly at: "connecting"; connection: Connection | undefined; readonly sinceMs: number }
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
  /** Was the last token refused, and is this the attempt with another? */
  #secondToken = false;

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
    return this.#options.addresses.current;
  }

  /** Connects now instead of waiting, or instead of an attempt that hangs; while connected, finds out whether it still is. */
  wake(): void {
    const state = this.#state;
    if (state.at === "online") state.connection.probe(AWAKE_MS);
    if (state.at === "connecting" && this.#options.clock.mono() - state.sinceMs >= HANGS_MS) {
      state.connection?.close(LOST.NOT_OPENED);
    }
    if (this.state === "offline") void this.#connect();
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
    const state: State = this.#state = {
      at: "connecting",
      connection: undefined,
      sinceMs: this.#options.clock.mono(),
    };
    this.#events.state("connecting", undefined, undefined);
    const { addresses, clock, log } = this.#options;
    let missing: CloseReason = LOST.NO_ADDRESS;
    const limit = clock.after(PREPARE_MS, () => {
      if (this.#state === state) this.#retry(missing);
    });
    try {
      const url = await addresses.get();
      if (this.#state !== state) return;
      missing = LOST.NO_TOKEN;
      const credentials = await this.#events.credentials();
      if (this.#state === state) this.#login(state, attempt, url, credentials);
    } catch (thrown) {
      const error = ImError.from(thrown);
      if (this.#state !== state) return;
      log.warn("cannot log in", { why: missing.reason, error });
      if (missing === LOST.NO_TOKEN && error.code === "UNAUTHORIZED") this.close(CLOSE.UNAUTHORIZED, error);
      else this.#retry(missing);
    } finally {
      limit.stop();
    }
  }

  #login(state: State & { at: "connecting" }, attempt: number, url: string, credentials: Credentials): void {
    const { connect, codec, clock, log, meta } = this.#options;
    const connection = new Connection(url, connect, codec, clock, log, {
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
      codec.encode(pkt.LoginReq, credentials),
      (body) => this.#online(connection, codec.decode(pkt.LoginResp, body)),
      (error) => {
        if (this.#attempt === attempt && this.#state.at === "connecting") {
          this.#refused(connection, error, credentials.token);
        }
      },
      meta,
    );
  }

  #online(connection: Connection, login: pkt.LoginResp): void {
    this.#state = { at: "online", connection, sinceMs: this.#options.clock.mono() };
    this.#secondToken = false;
    connection.startHeartbeat(login.heartbeatMs || HEARTBEAT_MS);
    this.#events.state("online", undefined, undefined);
    if (this.state === "online") this.#events.online(connection, login); // unless a listener closed it
  }

  /** The login was answered with a status: one that waiting does not help ends it. */
  #refused(connection: Connection, error: ImError, token: string): void {
    this.#options.log.warn("login refused", { code: error.code });
    const retry = error.code === "SESSION_LOST" ||
      (error.code in STATUS && STATUS[error.code as keyof typeof STATUS].retry);
    if (retry) return connection.close(CLOSE.LOGIN_FAILED);
    const refused = error.code === "UNAUTHORIZED";
    if (refused && this.#options.renewsToken && !this.#secondToken) {
      this.#secondToken = true; // what the function kept may have expired by the server's clock only
      return connection.close(LOST.REFUSED);
    }
    const text = refused ? `the token was refused${expiry(token, this.#options.clock.now())}` : error.message;
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
    this.#options.addresses.failed();
    const renew = this.#options.renewsToken &&
      (why.code === CLOSE.TOKEN_EXPIRED.code || why.code === CLOSE.REVOKED.code);
    if (why.reconnect || renew) this.#retry(why);
    else this.close(why);
  }

  #retry(why: CloseReason): void {
    const retryInMs = this.#backoff.next();
    this.#state = { at: "offline", timer: this.#options.clock.after(retryInMs, () => void this.#connect()) };
    this.#events.state("offline", why, retryInMs);
  }
}

/** The server does not say why it refuses a token; the most frequent reason stands in the token. */
function expiry(token: string, now: number): string {
  const { exp } = tokenClaims(token);
  const ms = typeof exp === "number" ? exp * 1_000 : NaN;
  return ms <= now && ms > 0 ? `; it expired at ${new Date(ms).toISOString()}` : "";
}
