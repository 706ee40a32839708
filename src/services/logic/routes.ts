import { limit } from "../../command/middleware/limit.ts";
import { measure } from "../../command/middleware/measure.ts";
import { recover } from "../../command/middleware/recover.ts";
import { type BodyCodec, CommandRouter } from "../../command/router.ts";
import { type BodyType, decodeBody, encodeBody } from "../../protocol/bodies.ts";
import { COMMANDS } from "../../protocol/commands.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { NO_BODY } from "../../protocol/packet.ts";
import { talkAck } from "./chat/talk_ack.ts";
import { userTalk } from "./chat/user_talk.ts";
import type { LogicDeps } from "./deps.ts";
import { signIn } from "./login/sign_in.ts";
import { signOut } from "./login/sign_out.ts";
import { offlineContent } from "./offline/content.ts";
import { offlineIndex } from "./offline/index.ts";
import { fill } from "./sync/fill.ts";
import { heads } from "./sync/heads.ts";
import { sync } from "./sync/sync.ts";

/** Reads that may be under way at once in one logic server: each holds up to a page in memory. */
const MOST_READS = 1_000;

/** Commands to handlers. A test fails while a command of protocol/commands.ts lacks a row here. */
export function logicRoutes(deps: LogicDeps): CommandRouter {
  const reads = limit(MOST_READS);
  return new CommandRouter(
    recover(deps.log, (message) => encodeBody(pkt.ErrorResp, { message })),
    measure(deps.clock, deps.metrics, Object.keys(COMMANDS)),
  )
    .add("login.signin", codecs(pkt.Session, pkt.LoginResp), signIn(deps))
    .add("login.signout", codecs(EMPTY, EMPTY), signOut(deps))
    .add("chat.user.talk", codecs(pkt.MessageReq, pkt.MessageResp), userTalk(deps))
    .add("chat.talk.ack", codecs(pkt.MessageAckReq, EMPTY), talkAck(deps))
    .add("chat.offline.index", codecs(pkt.MessageIndexReq, pkt.MessageIndexResp), offlineIndex(deps), reads)
    .add("chat.offline.content", codecs(pkt.MessageContentReq, pkt.MessageContentResp), offlineContent(deps), reads)
    .add("chat.sync", codecs(pkt.SyncReq, pkt.SyncResp), sync(deps), reads)
    .add("im.fill", codecs(pkt.FillReq, pkt.SyncResp), fill(deps))
    .add("im.heads", codecs(pkt.HeadsReq, pkt.HeadsResp), heads(deps));
}

const EMPTY: BodyCodec<Record<string, never>> = { decode: () => ({}), encode: () => NO_BODY };

function codecs<Req, Res>(
  request: BodyType<Req> | BodyCodec<Req>,
  response: BodyType<Res> | BodyCodec<Res>,
): { request: BodyCodec<Req>; response: BodyCodec<Res> } {
  return { request: codec(request), response: codec(response) };
}

function codec<T>(type: BodyType<T> | BodyCodec<T>): BodyCodec<T> {
  if (!("name" in type)) return type;
  return { decode: (bytes) => decodeBody(type, bytes), encode: (value) => encodeBody(type, value as Partial<T>) };
}
