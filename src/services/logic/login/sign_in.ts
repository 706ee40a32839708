import { ImError } from "../../../base/errors.ts";
import type { CommandContext } from "../../../command/context.ts";
import type { Head } from "../../../message/message_store.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { PAGES } from "../../../protocol/limits.ts";
import { isName } from "../../../protocol/names.ts";
import type { Session } from "../../../session/store.ts";
import type { LogicDeps } from "../deps.ts";
import { makeOldRows } from "../room/old_rows.ts";

/** How often our client should be heard of: some carriers forget a connection after 60 s. */
const HEARTBEAT_MS = 25_000;

/**
 * login.signin: stores the session, puts out the same device's older one, and says where the account's inbox stands.
 * The head is read after the location is visible, so every later message is either pushed or above that head.
 */
export function signIn(deps: Pick<LogicDeps, "clock" | "sessions" | "messages" | "newGeneration">) {
  return async (ctx: CommandContext, request: pkt.Session): Promise<pkt.LoginResp> => {
    const session = sessionOf(ctx, request, deps.newGeneration());
    const replaced = await deps.sessions.add(session);
    for (const old of replaced) kickOut(ctx, old);
    const { app, account, device } = session;
    const { messages } = deps;
    // Asked for together: reads of one tick are one batch.
    const [rooms, early, acked] = await Promise.all([
      messages.rooms(app, account),
      messages.heads(app, [account]),
      ctx.caps ? messages.acked(app, account, device) : 0,
    ]);
    ctx.rooms = rooms.map(({ group, head }) => ({ group, seq: head }));
    const late = rooms.length > 0 && !ctx.caps;
    if (late) await makeOldRows(deps, app, account);
    const [head] = late ? await messages.heads(app, [account]) : early;
    const reason = ctx.caps ? whyNotRecovered(request, head!) : "no cursor";
    ctx.pos = reason === "" ? request.cursor : head!.pos;
    const plain = { channelId: session.channelId, account: session.account };
    if (!ctx.caps) return { ...NOTHING, ...plain, rooms: [] };
    return {
      ...plain,
      recovered: reason === "",
      reason,
      head: head!.pos,
      epoch: head!.epoch,
      acked,
      heartbeatMs: HEARTBEAT_MS,
      rooms: rooms.map(({ group, joinedSeq, head }) => ({ groupId: group, joinedSeq, head })),
    };
  };
}

/** An old client's answer carries channel id and account, nothing else. */
const NOTHING = { recovered: false, reason: "", head: 0, epoch: "", acked: 0, heartbeatMs: 0 } as const;

/** "" when everything after the client's cursor can be sent: same log, not beyond its head, still there, not too far back. */
function whyNotRecovered(request: pkt.Session, head: Head): string {
  if (request.epoch === "") return "no cursor";
  if (request.epoch !== head.epoch || request.cursor > head.pos) return "epoch";
  if (request.cursor < (head.trimmed ?? 0)) return "trimmed";
  return head.pos - request.cursor > PAGES.resume ? "too far" : "";
}

function sessionOf(ctx: CommandContext, request: pkt.Session, generation: bigint): Session {
  const { app, account, device } = request;
  if (!isName(app) || !isName(account) || (device !== "" && !isName(device))) {
    throw new ImError("INVALID_BODY", "Cannot log in: app, account or device is not a legal name");
  }
  return {
    app,
    account,
    device,
    channelId: ctx.channelId,
    gateId: ctx.gateId,
    content: ctx.content,
    generation,
    remoteIp: request.remoteIP,
    zone: request.zone,
    isp: request.isp,
    tags: request.tags,
  };
}

function kickOut(ctx: CommandContext, old: Session): void {
  const { gateId, channelId, content } = old;
  ctx.dispatch([{ gateId, channelId, content, pos: 0, own: false }], pkt.KickoutNotify, { channelId });
}
