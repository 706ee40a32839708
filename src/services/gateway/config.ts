/** A gateway's settings, complete. `cli/settings.ts` reads them; times in ms, sizes in bytes. */
export interface GatewayConfig {
  /** Names this gateway to logic servers; a legal name. */
  readonly serviceId: string;
  /** One run of this gateway's process; its lease has this name. "": it needs none. */
  readonly incarnation: string;
  /** From accept to the login packet. */
  readonly loginWaitMs: number;
  /** From the login packet to the logic server's answer. */
  readonly loginAnswerMs: number;
  /** Nothing received for this long: the channel is closed. */
  readonly readWaitMs: number;
  /** A request must have begun to be stored by then. */
  readonly startWithinMs: number;
  /** Requests per second and account, burst three times that; 0: off. */
  readonly messageRate: number;
  /** Connections per peer address; 0: off. */
  readonly connectionsPerIp: number;
  /** Origins that browsers may come from; "*" for all. Requests without an Origin are no browsers. */
  readonly origins: readonly string[];
  /** Closing all channels at a stop is spread over this. */
  readonly drainMs: number;
  /** After a kick-out push the client has this long to close by itself. */
  readonly kickGraceMs: number;
}

/** What a gateway has unless it is told otherwise. */
export const GATEWAY_DEFAULTS: GatewayConfig = {
  serviceId: "gate01",
  incarnation: "",
  loginWaitMs: 10_000,
  loginAnswerMs: 5_000,
  readWaitMs: 120_000,
  startWithinMs: 4_000,
  messageRate: 20,
  connectionsPerIp: 256,
  origins: ["*"],
  drainMs: 5_000,
  kickGraceMs: 1_500,
};

/** Unanswered requests of one channel, in bytes, before it is not read any more; half of it starts reading again. */
export const UNANSWERED_BYTES = 256 << 10;
/** While this much waits to be sent to a channel, no more is fetched for it. */
export const FILL_ROOM_BYTES = 64 << 10;
/** Rows asked for in one fill. */
export const FILL_ROWS = 64;
/** Refusals within the window that close a channel. */
export const REFUSALS = { most: 200, windowMs: 10_000 } as const;
