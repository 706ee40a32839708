import type { Content } from "../protocol/body_codec.ts";

/** Who is behind a channel. `generation` is the login's snowflake: compared for equality, never assumed. */
export interface Session {
  readonly app: string;
  readonly account: string;
  /** "" when the client named none. */
  readonly device: string;
  readonly channelId: string;
  /** Service id of the gateway. */
  readonly gateId: string;
  /** How the client wants bodies. */
  readonly content: Content;
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

/** Locations and sessions. Every key starts with the app. Rejects with ImError SYSTEM when the store is out of reach. */
export interface SessionStore extends AsyncDisposable {
  /**
   * Stores the session and its location in one step. Gives the sessions it put out: the same device's, and over the
   * device limit those that have been silent longest.
   */
  add(session: Session): Promise<Session[]>;
  /** The session of a channel. */
  get(channelId: string): Promise<Session | undefined>;
  /** Removes session and location if both still carry this generation; false when they do not. */
  delete(session: Pick<Session, "app" | "account" | "device" | "channelId" | "generation">): Promise<boolean>;
  /** Every device of every account that is online, in the order of the accounts. */
  locate(app: string, accounts: readonly string[]): Promise<Location[]>;
  /** These channels were heard of: their devices are not silent. */
  touch(channelIds: readonly string[]): Promise<void>;
}
