import type { BodyType } from "../protocol/bodies.ts";
import type { Content } from "../protocol/body_codec.ts";
import type { Header } from "../protocol/header.ts";
import type { MessagePush } from "../protocol/gen/pkt_messages.ts";
import type { InRoom, RequestKey, Target } from "../protocol/route.ts";

/** What a command handler may see and do. The handler's return value is the reply. */
export interface CommandContext {
  readonly header: Header;
  readonly app: string;
  readonly account: string;
  /** "" when the client named none. */
  readonly device: string;
  /** Did the login announce `im.caps`? */
  readonly caps: boolean;
  /** How the request's body is written and the reply's will be. */
  readonly content: Content;
  readonly channelId: string;
  readonly gateId: string;
  /** The gateway's run; "" for one that has no lease. */
  readonly incarnation: string;
  /** Makes the request recognisable when it is forwarded again. */
  readonly key: RequestKey | undefined;
  /** Monotonic ms at which the request reached this logic server. */
  readonly arrivedMs: number;
  /** Monotonic ms by which the work must have begun. */
  readonly startBy: number;
  /** The request was forwarded before and may have been carried out. */
  readonly again: boolean;
  /** The reply's status on the wire; `recover` sets it. */
  status: number;
  /** The inbox position the reply stands for; a handler sets it. 0: none. */
  pos: number;
  /** Of a login: the account's large groups; of a talk in one: that group, and its seq. The gateway is told with the reply. */
  rooms: readonly InRoom[];
  /** Of a login: which one it is (session/store.ts); the gateway is told with the reply. 0n: none. */
  generation: bigint;
  /**
   * Sends one message to many channels, to each in its content: encoded once per content, one packet per gateway and
   * content. `command` is the request's unless given.
   */
  dispatch<T>(targets: readonly Target[], type: BodyType<T>, message: Partial<T>, command?: string): void;
  /** Sends a large group's message (header.dest) to every gateway: they know who of their clients is in the room. */
  dispatchRoom(seq: number, message: Partial<MessagePush>): void;
  /** Runs once the reply has been handed over, in the order of the replies. It cannot change the reply. */
  after(run: () => Promise<void> | void): void;
}
