import { Message, MessageWriter } from "./proto.ts";

/** First four bytes of a packet. Source: proto/WIRE.md "Packets". */
export const MAGIC = { LOGIC: 0xc311a365, BASIC: 0xc315a765 } as const;
export const FLAG = { REQUEST: 0, RESPONSE: 1, PUSH: 2 } as const;
/** The BasicPkt ping and pong, whole. */
export const PING = Uint8Array.of(0xc3, 0x15, 0xa7, 0x65, 0, 1, 0, 0);
export const PONG = Uint8Array.of(0xc3, 0x15, 0xa7, 0x65, 0, 2, 0, 0);

/** A LogicPkt, taken apart. `meta` values are kept as text whatever their type. */
export interface Packet {
  readonly command: string;
  readonly channelId: string;
  readonly sequence: number;
  readonly flag: number;
  readonly status: number;
  readonly dest: string;
  readonly meta: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

/** Bytes of a LogicPkt. Fields left out are empty. */
export function encodePacket(packet: Partial<Packet> & { readonly command: string }): Uint8Array {
  const header = new MessageWriter()
    .text(1, packet.command).text(2, packet.channelId ?? "").int(3, packet.sequence ?? 0).int(4, packet.flag ?? 0)
    .int(5, packet.status ?? 0).text(6, packet.dest ?? "");
  for (const [key, value] of packet.meta ?? []) {
    header.bytes(7, new MessageWriter().text(1, key).text(2, value).int(3, 1).done(), true);
  }
  const head = header.done();
  const body = packet.body ?? new Uint8Array(0);
  const out = new Uint8Array(12 + head.length + body.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, MAGIC.LOGIC);
  view.setUint32(4, head.length);
  out.set(head, 8);
  view.setUint32(8 + head.length, body.length);
  out.set(body, 12 + head.length);
  return out;
}

/** The packet in `bytes`; undefined for a BasicPkt. @throws {Error} for anything else. The body is a copy. */
export function decodePacket(bytes: Uint8Array): Packet | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = bytes.length < 4 ? 0 : view.getUint32(0);
  if (magic === MAGIC.BASIC) return undefined;
  if (magic !== MAGIC.LOGIC || bytes.length < 12) {
    throw new Error(`Cannot read packet: ${bytes.length} bytes starting with ${magic.toString(16)}`);
  }
  const headEnd = 8 + view.getUint32(4);
  if (headEnd + 4 > bytes.length) throw new Error(`Cannot read packet: header ends at ${headEnd} of ${bytes.length}`);
  const bodyEnd = headEnd + 4 + view.getUint32(headEnd);
  if (bodyEnd > bytes.length) throw new Error(`Cannot read packet: body ends at ${bodyEnd} of ${bytes.length}`);
  const header = new Message(bytes, 8, headEnd);
  return {
    command: header.text(1),
    channelId: header.text(2),
    sequence: header.uint(3),
    flag: header.uint(4),
    status: header.uint(5),
    dest: header.text(6),
    meta: new Map(header.messages(7).map((meta) => [meta.text(1), meta.text(2)])),
    body: bytes.slice(headEnd + 4, bodyEnd),
  };
}

/** What the header of the talk hot path says; filled anew by each `scan`, so nothing is allocated. */
export class PacketScan {
  /** "talk": chat.user.talk or chat.group.talk; "ack": chat.talk.ack; "pong": a BasicPkt; "other": decode it. */
  kind: "talk" | "ack" | "pong" | "other" = "other";
  sequence = 0;
  flag = 0;
  status = 0;
  bodyStart = 0;
  bodyEnd = 0;

  /** False: no packet, the server sent rubbish. */
  // hot: per frame
  scan(bytes: Uint8Array, start: number, end: number): boolean {
    this.kind = "other";
    this.sequence = this.flag = this.status = 0;
    if (end - start < 8) return false;
    if (bytes[start + 1] === 0x15) {
      this.kind = "pong";
      return readU32(bytes, start) === MAGIC.BASIC;
    }
    if (end - start < 12 || readU32(bytes, start) !== MAGIC.LOGIC) return false;
    const headEnd = start + 8 + readU32(bytes, start + 4);
    if (headEnd + 4 > end) return false;
    this.bodyStart = headEnd + 4;
    this.bodyEnd = this.bodyStart + readU32(bytes, headEnd);
    if (this.bodyEnd > end) return false;
    return this.#header(bytes, start + 8, headEnd);
  }

  #header(bytes: Uint8Array, start: number, end: number): boolean {
    let at = start;
    while (at < end) {
      const tag = bytes[at++]!;
      if ((tag & 7) === 0) {
        let value = bytes[at++]!;
        if (value > 127) {
          value &= 127;
          let scale = 128;
          for (let byte = 128; byte > 127; scale *= 128) {
            if (at >= end) return false;
            byte = bytes[at++]!;
            value += (byte & 127) * scale;
          }
        }
        if (tag === 0x18) this.sequence = value;
        else if (tag === 0x20) this.flag = value;
        else if (tag === 0x28) this.status = value;
      } else if ((tag & 7) === 2) {
        let length = bytes[at++]!;
        if (length > 127) length = (length & 127) + (bytes[at++]! << 7); // a header is far below 16 KiB
        if (tag === 0x0a) {
          if (length === 14 && bytes[at + 5] === 0x75 && bytes[at + 13] === 0x6b) this.kind = "talk";
          else if (length === 15 && bytes[at + 5] === 0x67 && bytes[at + 14] === 0x6b) this.kind = "talk";
          else if (length === 13 && bytes[at + 5] === 0x74) this.kind = "ack";
        }
        at += length;
      } else return false;
    }
    return at === end;
  }
}

/** Where the two fields of a MessagePush that the load tool needs lie; filled anew by each `scan`. */
export class PushScan {
  /** Raw varint bytes of `messageId`. */
  idStart = 0;
  idEnd = 0;
  /** The text `body`. */
  textStart = 0;
  textEnd = 0;

  /** False: no MessagePush with a body. */
  // hot: per push
  scan(bytes: Uint8Array, start: number, end: number): boolean {
    this.idStart =
      this.idEnd =
      this.textStart =
      this.textEnd =
        0;
    let at = start;
    while (at < end) {
      const tag = bytes[at++]!;
      if ((tag & 7) === 0) {
        const from = at;
        while (at < end && bytes[at]! > 127) at++;
        at++;
        if (tag === 0x08) {
          this.idStart = from;
          this.idEnd = at;
        }
      } else if ((tag & 7) === 2) {
        let length = bytes[at++]!;
        if (length > 127) length = (length & 127) + (bytes[at++]! << 7);
        if (tag === 0x1a) {
          this.textStart = at;
          this.textEnd = at + length;
        }
        at += length;
      } else return false;
      if (tag === 0x1a) return at <= end; // messageId comes before it, nothing after it is needed
    }
    return false;
  }
}

function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0;
}
