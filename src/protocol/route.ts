import type { Content } from "./body_codec.ts";

/**
 * Makes a request recognisable when it is sent again on an inner hop. `scope` names the channel, `n` counts its
 * requests, everything below `low` has been answered and will not come again. Source: proto/WIRE.md "Petrel metas".
 */
export interface RequestKey {
  readonly scope: string;
  readonly n: number;
  readonly low: number;
}

/** A channel is in a large group's room and is sent what is above `seq`. */
export interface InRoom {
  readonly group: string;
  readonly seq: number;
}

/** A push for a room: everyone in it who is at that gateway. `header.dest` is the group. */
export interface RoomPush {
  readonly app: string;
  readonly seq: number;
}

/** Where a push goes, and how that client wants bodies. `pos` is the inbox position it stands for, 0 for none. */
export interface Target {
  readonly gateId: string;
  readonly channelId: string;
  readonly content: Content;
  readonly pos: number;
  /** The account's own message, for its other devices: clients without `im.caps` are not shown it. */
  readonly own: boolean;
}
