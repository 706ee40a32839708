import { limit } from "../../command/middleware/limit.ts";
import { measure } from "../../command/middleware/measure.ts";
import { recover } from "../../command/middleware/recover.ts";
import { CommandRouter } from "../../command/router.ts";
import { COMMANDS } from "../../protocol/commands.ts";
import { encodeAs } from "../../protocol/content.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
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
/** Fills and head look-ups under way: a gateway asks again a little later, while a longer queue would only go stale. */
const MOST_FILLS = 256;

/** Commands to handlers. A test fails while a command of protocol/commands.ts lacks a row here. */
export function logicRoutes(deps: LogicDeps): CommandRouter {
  const reads = limit(MOST_READS);
  const fills = limit(MOST_FILLS);
  return new CommandRouter(
    recover(deps.log, (content, message) => encodeAs(content, pkt.ErrorResp, { message })),
    measure(deps.clock, deps.metrics, Object.values(COMMANDS).map((command) => command.name)),
  )
    .add({ ...COMMANDS.signIn, request: pkt.Session }, signIn(deps))
    .add(COMMANDS.signOut, signOut(deps))
    .add(COMMANDS.userTalk, userTalk(deps))
    .add(COMMANDS.talkAck, talkAck(deps))
    .add(COMMANDS.offlineIndex, offlineIndex(deps), reads)
    .add(COMMANDS.offlineContent, offlineContent(deps), reads)
    .add(COMMANDS.sync, sync(deps), reads)
    .add(COMMANDS.fill, fill(deps), fills)
    .add(COMMANDS.heads, heads(deps), fills);
}
