import { type Meta, META_TYPE } from "./header.ts";

/**
 * Meta keys. The first four are KIM's, on links only; `im.*` are ours. All values are texts. Source: proto/WIRE.md
 * "Metas".
 */
export const META = {
  APP: "app",
  ACCOUNT: "account",
  /** Up: the gateway that forwards. Down: the gateway that is meant. */
  DEST_SERVER: "dest.server",
  /** Down: channel ids joined by commas. */
  DEST_CHANNELS: "dest.channels",
  /** At login from a client, then on every forwarded packet: the device's name. */
  DEVICE: "im.device",
  /** At login from a client, then on every forwarded packet: what the client can do beyond KIM's. */
  CAPS: "im.caps",
  /** At login from a client: how it wants bodies. */
  CONTENT: "im.content",
  /** To a client: the inbox position the packet stands for. Down a link: one per channel, joined by commas. */
  POS: "im.pos",
  /** Up: the request's key, `scope n low`. */
  KEY: "im.key",
  /** Up: milliseconds left to begin the work. */
  WAIT: "im.wait",
  /** Down: the `n` of the request this answers. */
  ANSWERS: "im.answers",
  /** Down, "1": the sender's own message, for its other devices. */
  OWN: "im.own",
  /** Up, "1": the request was forwarded before, perhaps to another server. */
  AGAIN: "im.again",
  /** Down, in a push for a large group's room: `app seq`; the group is header.dest. */
  ROOM: "im.room",
  /** Down, beside a login's answer or a talk's: `group seq` of rooms, joined by commas. */
  ROOMS: "im.rooms",
  /** Down, beside a login's answer: its generation, which `im.restore` brings back. */
  GENERATION: "im.generation",
  /** Down, in pushes: the number under which the gateway is to say who took it. */
  RECEIPT: "im.receipt",
} as const;

/** Metas a gateway reads from a client. Every other meta of a client is dropped. */
export const ALLOWED_FROM_CLIENT: ReadonlySet<string> = new Set([META.DEVICE, META.CAPS, META.CONTENT]);

/** A meta whose value is a text. */
export function textMeta(key: string, value: string): Meta {
  return { key, value, type: META_TYPE.STRING };
}

/** The first text of that key; metas of another type do not count. */
export function findText(metas: readonly Meta[], key: string): string | undefined {
  for (let i = 0; i < metas.length; i++) {
    const meta = metas[i]!;
    if (meta.key === key && meta.type === META_TYPE.STRING) return meta.value;
  }
  return undefined;
}
