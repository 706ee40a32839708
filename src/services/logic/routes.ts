import { limit } from "../../command/middleware/limit.ts";
import { measure } from "../../command/middleware/measure.ts";
import { recover } from "../../command/middleware/recover.ts";
import { CommandRouter } from "../../command/router.ts";
import { COMMANDS } from "../../protocol/commands.ts";
import { encodeAs } from "../../protocol/content.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { groupTalk } from "./chat/group_talk.ts";
import { talkAck } from "./chat/talk_ack.ts";
import { userTalk } from "./chat/user_talk.ts";
import { history } from "./conversation/history.ts";
import { conversations } from "./conversation/list.ts";
import { read } from "./conversation/read.ts";
import type { LogicDeps } from "./deps.ts";
import { createGroup } from "./group/create.ts";
import { anyGroupDetail, groupDetail } from "./group/detail.ts";
import { joinGroup } from "./group/join.ts";
import { anyGroupMembers, groupMembers } from "./group/members.ts";
import { quitGroup } from "./group/quit.ts";
import { restore } from "./login/restore.ts";
import { signIn } from "./login/sign_in.ts";
import { signOut } from "./login/sign_out.ts";
import { receipt, type Receipts } from "./receipts.ts";
import { offlineContent } from "./offline/content.ts";
import { offlineIndex } from "./offline/index.ts";
import { roomCheck } from "./room/check.ts";
import { roomFill, roomHeads, roomRows } from "./room/room.ts";
import { fill } from "./sync/fill.ts";
import { heads } from "./sync/heads.ts";
import { sync } from "./sync/sync.ts";

/** Reads that may be under way at once in one logic server: each holds up to a page in memory. */
const MOST_READS = 1_000;
/** Fills and head look-ups under way: a gateway asks again a little later, while a longer queue would only go stale. */
const MOST_FILLS = 256;

/** Commands to handlers. A test fails while a command of protocol/commands.ts lacks a row here. */
export function logicRoutes(deps: LogicDeps, receipts: Receipts): CommandRouter {
  const reads = limit(MOST_READS);
  const changes = limit(MOST_READS, "taken");
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
    .add(COMMANDS.groupCreate, createGroup(deps), changes)
    .add(COMMANDS.groupJoin, joinGroup(deps), changes)
    .add(COMMANDS.groupQuit, quitGroup(deps), changes)
    .add(COMMANDS.groupDetail, groupDetail(deps), reads)
    .add(COMMANDS.groupMembers, groupMembers(deps), reads)
    .add(COMMANDS.groupTalk, groupTalk(deps))
    .add(COMMANDS.history, history(deps), reads)
    .add(COMMANDS.conversations, conversations(deps), reads)
    .add(COMMANDS.read, read(deps), reads)
    .add(COMMANDS.fill, fill(deps), fills)
    .add(COMMANDS.heads, heads(deps), fills)
    .add(COMMANDS.roomFill, roomFill(deps), fills)
    .add(COMMANDS.roomHeads, roomHeads(deps), fills)
    .add(COMMANDS.roomRows, roomRows(deps), fills)
    .add(COMMANDS.group, anyGroupDetail(deps), reads)
    .add(COMMANDS.groupMembersOf, anyGroupMembers(deps), reads)
    .add(COMMANDS.roomCheck, roomCheck(deps), fills)
    .add(COMMANDS.restore, restore(deps), fills)
    .add(COMMANDS.receipt, receipt(deps, receipts));
}
