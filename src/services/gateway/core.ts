import type { Clock } from "../../base/clock.ts";
import type { Uplink } from "../../container/link.ts";
import type { CatchUp } from "./catch_up.ts";
import type { ClientChannel } from "./client_channel.ts";
import type { GatewayConfig } from "./config.ts";
import type { GatewayMetrics } from "./metrics.ts";
import type { RateLimit } from "./rate.ts";
import type { Reading } from "./reading.ts";
import type { Rooms } from "./rooms.ts";

/** What receiving and delivering need of the gateway they belong to. */
export interface GatewayCore {
  readonly id: string;
  readonly config: GatewayConfig;
  readonly clock: Clock;
  readonly count: GatewayMetrics;
  readonly catchUp: CatchUp;
  readonly rooms: Rooms;
  readonly rate: RateLimit;
  readonly reading: Reading;
  /** The channel showed that it is alive. */
  pinged(channel: ClientChannel): void;
  channel(id: string): ClientChannel | undefined;
  /** Where the channel's requests go now; undefined: no server is ready. */
  linkOf(channel: ClientChannel): Uplink | undefined;
  /** The login was answered: what came meanwhile is taken now. */
  opened(channel: ClientChannel): void;
  /** The channel's present state ends after `ms`. */
  endLater(channel: ClientChannel, ms: number): void;
  /** Tells logic that a channel is gone. */
  signOut(channelId: string): void;
}
