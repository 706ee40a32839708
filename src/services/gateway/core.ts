import type { Clock } from "../../base/clock.ts";
import type { Uplink } from "../../container/link.ts";
import type * as pkt from "../../protocol/gen/pkt_messages.ts";
import type { CatchUp } from "./catch_up.ts";
import type { ClientChannel } from "./client_channel.ts";
import type { GatewayConfig } from "./config.ts";
import type { Forwarding } from "./forwarding.ts";
import type { GatewayMetrics } from "./metrics.ts";
import type { RateLimit } from "./rate.ts";
import type { Reading } from "./reading.ts";
import type { RoomCheck } from "./room_check.ts";
import type { Rooms } from "./rooms.ts";

/** What receiving and delivering need of the gateway they belong to. */
export interface GatewayCore {
  readonly id: string;
  readonly config: GatewayConfig;
  readonly clock: Clock;
  readonly count: GatewayMetrics;
  readonly catchUp: CatchUp;
  readonly rooms: Rooms;
  readonly roomCheck: RoomCheck;
  readonly rate: RateLimit;
  readonly reading: Reading;
  /** The channel showed that it is alive. */
  pinged(channel: ClientChannel): void;
  channel(id: string): ClientChannel | undefined;
  readonly forwarding: Forwarding;
  /** The login was answered: what came meanwhile is taken now. */
  opened(channel: ClientChannel): void;
  /** The channel's present state ends after `ms`. */
  endLater(channel: ClientChannel, ms: number): void;
  /** Tells logic that a channel is gone. */
  signOut(channelId: string): void;
  /** Logic answered that: the session has ended, or could not be ended now. */
  signedOut(channelId: string, ended: boolean): void;
  /** Tells the server that sent a push which channels took it, and which are gone. */
  receipt(to: Uplink, receipt: pkt.Receipt): void;
}
