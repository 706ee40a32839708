import type { Content } from "../protocol/body_codec.ts";
import type { Header } from "../protocol/header.ts";
import type { InRoom, RequestKey, RoomPush } from "../protocol/route.ts";

/**
 * What travels between a gateway and a logic server. In one process the objects themselves are handed over; a TCP
 * link writes the routing fields as metas and reads them back (proto/WIRE.md "Link").
 */

/** A client's request, or the gateway's own (`im.*`), on its way to a logic server. */
export interface Upward {
  /** Stamped: real channelId, flag and status 0, no meta. */
  readonly header: Header;
  readonly body: Uint8Array;
  readonly app: string;
  readonly account: string;
  readonly device: string;
  /** Did the login announce `im.caps`? */
  readonly caps: boolean;
  /** How `body` is written, and how its answer is to be. */
  readonly content: Content;
  readonly gateId: string;
  readonly key: RequestKey | undefined;
  /** Monotonic ms: work that has not begun by then is refused. */
  readonly startBy: number;
  /** Was forwarded before: what became of it is looked up by its key, however late it is. */
  readonly again: boolean;
}

/** A reply or push on its way to channels of one gateway. */
export interface Downward {
  readonly header: Header;
  readonly body: Uint8Array;
  readonly gateId: string;
  /** Empty: the answer to a request of the gateway itself, matched by `header.sequence`. */
  readonly channels: readonly string[];
  /** Beside `channels`: the inbox position the packet stands for there; 0: none. */
  readonly positions: readonly number[];
  /** The sender's own message for its other devices. */
  readonly own: boolean;
  /** A push for a room; `channels` is empty. */
  readonly room?: RoomPush | undefined;
  /** Beside a login's answer: the rooms the channel is in. Beside a talk's: the room, and the seq it stands for there. */
  readonly rooms?: readonly InRoom[] | undefined;
  /** Beside a login's answer: which login of its device it is, for `im.restore`. */
  readonly generation?: bigint | undefined;
  /** For replies: `n` of the request's key; 0: not known (KIM peers), match by order. */
  readonly answers: number;
  /** The gateway is to say which channels took the push (`im.receipt` with this number); absent: it says nothing. */
  readonly receipt?: number | undefined;
}

export type LinkState = "open" | "draining" | "closed";

/** The gateway's end of a link to one logic server. */
export interface Uplink {
  /** Service id of the logic server. */
  readonly peerId: string;
  /** The zone it registered with; "" for none. */
  readonly zone: string;
  /** Monotonic ms until which it is young: used only when there is no other (proto/WIRE.md "Choosing"). 0: never. */
  readonly youngUntilMs: number;
  /** One of KIM's: it reads protobuf bodies only, and knows none of our metas and commands. */
  readonly kim?: boolean;
  /** "draining": takes what belongs to it, gets no new channels. */
  readonly state: LinkState;
  /** False when the link is full or closed: the request was not taken. Never throws, never waits. */
  send(packet: Upward): boolean;
}

/** What the gateway hears from a link. */
export interface UplinkEvents {
  /** Everything but `im.drain`: that is a change of the link. */
  down(packet: Downward, from: Uplink): void;
  /** Its state is another: draining, or closed. */
  changed(link: Uplink): void;
}

/** The logic server's end of a link to one gateway. */
export interface Downlink {
  /** Service id of the gateway. */
  readonly peerId: string;
  /** The gateway's run; "" for one that has none: KIM's, or in the same process. */
  readonly incarnation: string;
  /** It speaks KIM's protocol only, and knows no rooms: pushes go to channels. */
  readonly kim?: boolean;
  /**
   * False when the link is gone: what was pushed is in the store and will be fetched. `im.drain` makes the other end
   * "draining".
   */
  send(packet: Downward): boolean;
}

/** What a logic server hears from a link. */
export interface DownlinkEvents {
  up(packet: Upward, from: Downlink): void;
  closed(link: Downlink): void;
}

/** A gateway, as those see it who make its links. */
export interface LinkGateway extends UplinkEvents {
  /** A link is up: another one for each connection. */
  attach(link: Uplink): void;
}

/** A logic server, as those see it who make its links. */
export interface LinkLogic extends DownlinkEvents {
  /** A link is up. A newer one of the same gateway takes over. */
  attach(link: Downlink): void;
}
