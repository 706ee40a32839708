import { allocate } from "../../base/bytes.ts";
import { ImError } from "../../base/errors.ts";
import { CODECS, contentOf } from "../../protocol/content.ts";
import type { Content } from "../../protocol/body_codec.ts";
import { FLAG, type Header, type Meta, META_TYPE, NO_META } from "../../protocol/header.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { META, textMeta } from "../../protocol/meta.ts";
import { decodePacket, encodeLogic, NO_BODY } from "../../protocol/packet.ts";
import type { RequestKey } from "../../protocol/route.ts";
import type { Upward } from "../link.ts";

/** What the server's end of a link knows of the gateway. */
export interface UpFrom {
  readonly gateId: string;
  readonly kim: boolean;
  /** Of a packet without `im.wait`: ms from its arrival within which the work must begin. */
  readonly startWithinMs: number;
}

/** The longest wait that is believed, ms. */
const MOST_WAIT_MS = 0xffff_ffff;
const ONE = "1";
const CAPS = textMeta(META.CAPS, ONE);
const AGAIN = textMeta(META.AGAIN, ONE);

/** A request as the packet that goes up a link; to KIM's chat servers without what is ours. Source: WIRE.md "Up". */
export function encodeUp(packet: Upward, kim: boolean, nowMs: number): Uint8Array {
  // hot: per packet
  const { header: from, key } = packet;
  const meta: Meta[] = [];
  if (packet.app !== "") meta.push(textMeta(META.APP, packet.app));
  if (packet.account !== "") meta.push(textMeta(META.ACCOUNT, packet.account));
  meta.push(textMeta(META.DEST_SERVER, packet.gateId));
  const isSignOut = packet.account === "" && from.channelId !== "";
  if (!kim && !isSignOut) {
    if (packet.device !== "") meta.push(textMeta(META.DEVICE, packet.device));
    if (packet.caps) meta.push(CAPS);
    if (packet.content !== "protobuf") meta.push(textMeta(META.CONTENT, packet.content));
    if (key !== undefined) meta.push(textMeta(META.KEY, `${key.scope} ${key.n} ${key.low}`));
    const waitMs = Math.min(MOST_WAIT_MS, Math.max(0, Math.ceil(packet.startBy - nowMs)));
    meta.push(textMeta(META.WAIT, String(waitMs)));
    if (packet.again) meta.push(AGAIN);
  }
  const { command, channelId, sequence, flag, status, dest } = from;
  return encodeLogic({ command, channelId, sequence, flag, status, dest, meta }, packet.body);
}

/**
 * The request that a frame brings. The body is copied. Of a KIM gateway the last text of a key counts, because it puts
 * its own behind whatever the client wrote; nothing of ours is read from it.
 * @throws {ImError} the packet's codes; HEADER_INVALID: no `dest.server`, another's, or a meta of ours that says nothing.
 */
export function decodeUp(bytes: Uint8Array, from: UpFrom, nowMs: number): Upward {
  // hot: per packet
  const packet = decodePacket(bytes, LIMITS.link);
  if (packet.kind === "basic") throw new ImError("BAD_MAGIC", "Cannot read request: a basic packet on a link");
  const { header } = packet;
  const { kim } = from;
  let app = "";
  let account = "";
  let gateId = "";
  let device = "";
  let caps = false;
  let content: Content = "protobuf";
  let key: RequestKey | undefined;
  let waitMs = from.startWithinMs;
  let again = false;
  const metas = header.meta;
  // The first text of a key counts, of a KIM gateway the last.
  for (let i = 0; i < metas.length; i++) {
    const meta = metas[kim ? i : metas.length - 1 - i]!;
    if (meta.type !== META_TYPE.STRING) continue;
    const { value } = meta;
    switch (meta.key) {
      case META.APP:
        app = value;
        break;
      case META.ACCOUNT:
        account = value;
        break;
      case META.DEST_SERVER:
        gateId = value;
        break;
      case META.DEVICE:
        if (!kim) device = value;
        break;
      case META.CAPS:
        caps = !kim;
        break;
      case META.CONTENT:
        if (!kim) content = contentOf(value) ?? fail(`${META.CONTENT} is none of ${Object.keys(CODECS).join(", ")}`);
        break;
      case META.KEY:
        if (!kim) key = keyOf(value);
        break;
      case META.WAIT:
        if (!kim) waitMs = numberOf(value, META.WAIT);
        break;
      case META.AGAIN:
        again = !kim;
    }
  }
  if (gateId !== from.gateId) fail(`${META.DEST_SERVER} is ${JSON.stringify(gateId)}, the link is ${from.gateId}'s`);
  clear(header);
  const startBy = waitMs === MOST_WAIT_MS ? Infinity : nowMs + waitMs;
  const body = copyOf(packet.body);
  return { header, body, app, account, device, caps, content, gateId, key, startBy, again };
}

/** What a client wrote there must not be seen. */
function clear(header: Header): void {
  header.flag = FLAG.REQUEST;
  header.status = 0;
  header.meta = NO_META;
}

/** A copy of bytes that are only valid during a call. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return NO_BODY;
  const copy = allocate(bytes.length);
  copy.set(bytes);
  return copy;
}

/** `scope n low`; a scope has no spaces. */
function keyOf(value: string): RequestKey {
  const last = value.lastIndexOf(" ");
  const first = value.lastIndexOf(" ", last - 1);
  if (first < 1) fail(`${META.KEY} is not "scope n low"`);
  const n = numberOf(value, META.KEY, first + 1, last);
  return { scope: value.slice(0, first), n, low: numberOf(value, META.KEY, last + 1) };
}

/** A whole number of at most 32 bits, the digits in `text[from, to)`. */
export function numberOf(text: string, key: string, from = 0, to = text.length): number {
  let value = from < to ? 0 : NaN;
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    value = digit >= 0 && digit <= 9 ? value * 10 + digit : NaN;
  }
  return value <= MOST_WAIT_MS ? value : fail(`${key} is no number of 32 bits`);
}

function fail(why: string): never {
  throw new ImError("HEADER_INVALID", `Cannot read request: ${why}`);
}
