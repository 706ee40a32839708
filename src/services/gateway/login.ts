import { ImError } from "../../base/errors.ts";
import type { Upward } from "../../container/link.ts";
import type { Content } from "../../protocol/body_codec.ts";
import { type Claims, type Hmac, readToken, TokenError } from "../../protocol/claims.ts";
import { CLOSE, type CloseReason } from "../../protocol/close_reason.ts";
import { CODECS, contentOf, decodeAs, encodeAs } from "../../protocol/content.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, type Header, makeHeader } from "../../protocol/header.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { findText, META } from "../../protocol/meta.ts";
import { isName } from "../../protocol/names.ts";
import { decodePacket, encodeLogic, NO_BODY } from "../../protocol/packet.ts";
import { STATUS, type StatusName } from "../../protocol/status.ts";
import type { Revocations, RevocationSource } from "../../session/revocations.ts";

/** A login packet that was read and whose token holds. */
export interface LoginRequest {
  readonly at: "login";
  readonly header: Header;
  readonly body: pkt.LoginReq;
  readonly claims: Claims;
  /** Names the token where revocations are kept. */
  readonly tokenHash: string;
  /** "" when the client named none. */
  readonly device: string;
  readonly caps: boolean;
  readonly content: Content;
}

/** Not let in: the packet to send first (none when what came was no packet of ours), and why. */
export interface Refusal {
  readonly at: "refused";
  readonly packet: Uint8Array | undefined;
  readonly why: CloseReason;
  readonly status: StatusName | "NO_PACKET";
}

/** What a token is held against. */
export interface TokenCheck {
  readonly hmac: Hmac;
  readonly hash: RevocationSource["hash"];
  readonly revocations: Revocations;
}

const NO_CONTENT = `Cannot log in: ${META.CONTENT} is none of ${Object.keys(CODECS).join(", ")}`;

/**
 * Reads a connection's first packet. Everything wrong with it becomes a refusal with the status that says so;
 * the status is delivered before the connection closes. Source: proto/WIRE.md "Login".
 */
export function readLogin(
  bytes: Uint8Array,
  nowSeconds: number,
  { hmac, hash, revocations }: TokenCheck,
): LoginRequest | Refusal {
  let packet;
  try {
    packet = decodePacket(bytes, LIMITS.beforeLogin);
  } catch (thrown) {
    const tooLarge = ImError.from(thrown).code === "HEADER_TOO_LARGE";
    return { at: "refused", packet: undefined, why: tooLarge ? CLOSE.TOO_LARGE : CLOSE.BAD_DATA, status: "NO_PACKET" };
  }
  if (packet.kind === "basic") return { at: "refused", packet: undefined, why: CLOSE.BAD_DATA, status: "NO_PACKET" };
  const { header } = packet;
  const content = contentOf(findText(header.meta, META.CONTENT));
  if (header.command !== "login.signin") {
    return refusal(header, content ?? "protobuf", "INVALID_COMMAND", CLOSE.NOT_LOGIN, "Cannot do this first: log in");
  }
  if (!content) return refusal(header, "protobuf", "INVALID_BODY", CLOSE.BAD_DATA, NO_CONTENT);
  try {
    const body = decodeAs(content, pkt.LoginReq, packet.body);
    const device = findText(header.meta, META.DEVICE) ?? "";
    if (device !== "" && !isName(device)) {
      throw new ImError("INVALID_BODY", "Cannot log in: the device is no legal name");
    }
    const claims = readToken(body.token, nowSeconds, hmac);
    const tokenHash = hash(body.token);
    if (revocations.refuses({ app: claims.app, account: claims.acc, token: tokenHash }, nowSeconds)) {
      throw new TokenError("revoked");
    }
    const caps = findText(header.meta, META.CAPS) !== undefined;
    return { at: "login", header, body, claims, tokenHash, device, caps, content };
  } catch (thrown) {
    const error = ImError.from(thrown);
    if (error.code === "UNAUTHORIZED") {
      return refusal(header, content, "UNAUTHORIZED", CLOSE.UNAUTHORIZED, error.message);
    }
    return refusal(header, content, "INVALID_BODY", CLOSE.BAD_DATA, error.message);
  }
}

/** A refusal with its response packet: flag 1, the status, and a reason unless the reference sends none. */
export function refusal(
  header: Header,
  content: Content,
  status: StatusName,
  why: CloseReason,
  message: string,
): Refusal {
  const body = status === "UNAUTHORIZED" ? NO_BODY : encodeAs(content, pkt.ErrorResp, { message });
  return { at: "refused", packet: answer(header, "", STATUS[status].wire, body), why, status };
}

/** A response that the gateway gives itself. */
export function answer(request: Header, channelId: string, status: number, body: Uint8Array): Uint8Array {
  const header = makeHeader(request.command, {
    channelId,
    sequence: request.sequence,
    flag: FLAG.RESPONSE,
    status,
    dest: request.dest,
  });
  return encodeLogic(header, body);
}

/** Parts of a session that nothing else at the gateway needs. */
export type ClientAbout = Pick<pkt.Session, "remoteIP" | "zone" | "isp" | "tags">;

/** What only the login says of the client. */
export function aboutOf({ body }: LoginRequest, remoteIP: string): ClientAbout {
  return { remoteIP, zone: body.zone, isp: body.isp, tags: body.tags.length > 0 ? body.tags : NO_TAGS };
}

const NO_TAGS: string[] = [];

/** The login as it goes to logic, with a Session instead of the LoginReq, in the client's content like all its bodies. */
export function loginRequest(
  login: LoginRequest,
  { channelId, gateId, remoteIp, startBy }: {
    readonly channelId: string;
    readonly gateId: string;
    readonly remoteIp: string;
    readonly startBy: number;
  },
): Upward {
  const { header: { sequence, dest }, claims: { acc: account, app }, body, device, caps, content } = login;
  const { cursor, epoch } = body;
  const session = { channelId, gateId, account, app, device, cursor, epoch, ...aboutOf(login, remoteIp) };
  return {
    header: makeHeader("login.signin", { channelId, sequence, dest }),
    body: encodeAs(content, pkt.Session, session),
    app,
    account,
    device,
    caps,
    content,
    gateId,
    key: undefined,
    startBy,
    again: false,
  };
}
