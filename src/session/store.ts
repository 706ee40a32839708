import { ImError } from "../base/errors.ts";
import type { Content } from "../protocol/body_codec.ts";

/** Who is behind a channel. */
export interface Session {
  readonly app: string;
  readonly account: string;
  /** "" when the client named none. */
  readonly device: string;
  readonly channelId: string;
  /** Service id of the gateway. */
  readonly gateId: string;
  /**
   * The gateway's run: its sessions count while its lease (session/leases.ts) is held. "": they always count, for
   * gateways that have none (KIM's, and those of one process).
   */
  readonly incarnation: string;
  /** How the client wants bodies. */
  readonly content: Content;
  /** Which login it is: of two of one device the newer has the greater one. 0n: not known, older than any. */
  readonly generation: bigint;
  readonly remoteIp: string;
  readonly zone: string;
  readonly isp: string;
  readonly tags: readonly string[];
}

/** Where one device of an account is reached. */
export interface Location {
  readonly account: string;
  readonly device: string;
  readonly channelId: string;
  readonly gateId: string;
  /** How the client wants bodies. */
  readonly content: Content;
}

/** A login that is older than what its device has; nothing was stored. */
export class OlderLogin extends ImError {
  /** Of the newer one. */
  readonly generation: bigint;

  constructor(generation: bigint) {
    super("CLOSED", "Cannot log in: the device has a newer login");
    this.generation = generation;
  }
}

/**
 * Locations and sessions. With a limit of one device per account all its devices are one. Every key starts with the app. Rejects
 * with ImError SYSTEM when the store is out of reach.
 */
export interface SessionStore extends AsyncDisposable {
  /**
   * Stores the session and its location in one step. Gives the sessions it put out: the same device's, and over the
   * device limit those that have been silent longest. The same channel again (its login was tried at another server)
   * takes its own place.
   * @throws {OlderLogin} the device has a later generation.
   * @throws {ImError} CLOSED: the channel was ended before, or its gateway's lease is not held; nothing was stored.
   */
  add(session: Session): Promise<Session[]>;
  /** The session of a channel. */
  get(channelId: string): Promise<Session | undefined>;
  /**
   * Ends the session of a channel: removes it, and its location if that still carries the same generation. Remembered
   * for a minute, so that a login of that channel which is still on its way is not stored. False: there was none.
   */
  end(channelId: string): Promise<boolean>;
  /**
   * Puts sessions back that a gateway still has, after the store lost them. What is there already stays. Of two channels
   * of one device the one with the later generation stays, whichever comes first (alike: the one that is there); nobody
   * is put out when the account has all its devices online. Gives all who have no device now: of these sessions, and
   * those whom they put out. An answer that is lost may be lost for good: who was put out finds itself missing.
   */
  restore(sessions: readonly Session[]): Promise<Session[]>;
  /** Every device of every account that is online, in the order of the accounts. */
  locate(app: string, accounts: readonly string[]): Promise<Location[]>;
  /** These channels were heard of: their devices are not silent. Gives those that have no session. */
  touch(channelIds: readonly string[]): Promise<string[]>;
}
