import type { Header } from "../protocol/header.ts";
import type { RequestKey, Target } from "../protocol/route.ts";

/** What a command handler may see and do. The handler's return value is the reply. */
export interface CommandContext {
  readonly header: Header;
  readonly app: string;
  readonly account: string;
  /** "" when the client named none. */
  readonly device: string;
  /** Did the login announce `im.caps`? */
  readonly caps: boolean;
  readonly channelId: string;
  readonly gateId: string;
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
  /** Sends one encoded body to many channels: one packet per gateway. `command` is the request's unless given. */
  dispatch(targets: readonly Target[], body: Uint8Array, command?: string): void;
  /** Runs once the reply has been handed over, in the order of the replies. It cannot change the reply. */
  after(run: () => Promise<void> | void): void;
}
