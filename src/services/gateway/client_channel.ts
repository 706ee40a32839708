import type { Uplink, Upward } from "../../container/link.ts";
import type { Content } from "../../protocol/body_codec.ts";
import type { CloseReason } from "../../protocol/close_reason.ts";
import type { ClientAbout, LoginRequest } from "./login.ts";
import type { SharedPush } from "./shared_push.ts";
import { Sequencer, type SequencerPort } from "./sequencer.ts";
import { Unanswered } from "./unanswered.ts";

/** What the gateway may do with a connection; comm/channel.ts is one. */
export interface ChannelAgent {
  /** Bytes of pushes that wait to be written. */
  readonly queuedPushBytes: number;
  push(packet: Uint8Array): void;
  reply(packet: Uint8Array): void;
  /** Stops reading; the peer feels it. */
  pause(): void;
  resume(): void;
  /** Lets what is queued leave, then ends. */
  close(why: CloseReason): void;
}

/**
 *   login ──answered──► open ──kick push──► kicked ──grace──► closed
 *     └── refused ───────────── any close ────────────────────► closed
 */
export type ClientState = "login" | "open" | "kicked" | "closed";

/** One client at this gateway: who it is, where its requests go, and how far its inbox was sent. */
export class ClientChannel {
  state: ClientState = "login";
  /** The client was told that its login failed: a late answer opens nothing. */
  loginFailed = false;
  /** Set while the login is being answered: a kick that came early. */
  kick: Uint8Array | undefined;
  /** Pushes without a position that came while the login was answered: they follow the answer. */
  early: SharedPush[] | undefined;
  /** Monotonic ms at which the state itself ends: login unanswered, kick grace over; Infinity: never. */
  endsMs = Infinity;
  /** Monotonic ms until which the token is good: a wall clock that jumps logs nobody out, and keeps nobody in. */
  expiresMs = Infinity;
  readonly tokenHash: string;
  readonly app: string;
  readonly account: string;
  readonly device: string;
  readonly caps: boolean;
  readonly content: Content;
  readonly loginSequence: number;
  link: Uplink | undefined;
  /** The login as it was forwarded, until it is answered: its server may go. */
  login: Upward | undefined;
  /** What only the login said of the client, kept where sessions may have to be put back. */
  about: ClientAbout | undefined;
  /** Which login it is, as its chat server said (session/store.ts); 0n: it did not. */
  generation = 0n;
  readonly sequencer: Sequencer<ClientChannel>;
  #unanswered: Unanswered | undefined;
  /** Not read: too much of it is unanswered. */
  paused = false;
  /** Not read before this, monotonic ms: it asks too fast; 0: it does not. */
  readAtMs = 0;
  /** Monotonic ms when its head was asked for last, or told by its login. */
  lookedMs = 0;
  refusals = 0;
  refusalsSinceMs = 0;
  readonly id: string;
  readonly agent: ChannelAgent;

  constructor(
    id: string,
    agent: ChannelAgent,
    login: LoginRequest,
    port: SequencerPort<ClientChannel>,
  ) {
    this.id = id;
    this.agent = agent;
    this.app = login.claims.app;
    this.account = login.claims.acc;
    this.tokenHash = login.tokenHash;
    this.device = login.device;
    this.caps = login.caps;
    this.content = login.content;
    this.loginSequence = login.header.sequence;
    this.sequencer = new Sequencer<ClientChannel>(this, port);
  }

  get unanswered(): Unanswered {
    return this.#unanswered ??= new Unanswered();
  }

  get waitsForAnswers(): boolean {
    return this.#unanswered !== undefined && !this.#unanswered.empty;
  }

  /** Is its server one of KIM's? Those know no positions, no keys, and answer no question of a gateway. */
  get kim(): boolean {
    return this.link?.kim === true;
  }

  /** Does its present server have something to answer? */
  get outstanding(): boolean {
    return this.#unanswered !== undefined && this.#unanswered.outstanding;
  }

  /** Its server is gone. */
  startAgain(): void {
    this.#unanswered?.startAgain();
  }

  /** A request that no server has had and that should have begun by now, taken out. */
  takeLate(nowMs: number): Upward | undefined {
    return this.#unanswered?.takeLate(nowMs);
  }
}
