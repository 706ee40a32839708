import { ImError } from "../../../base/errors.ts";
import type { CommandContext } from "../../../command/context.ts";
import type { Head } from "../../../message/message_store.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { PAGES } from "../../../protocol/limits.ts";
import { OlderLogin, type Session } from "../../../session/store.ts";
import type { LogicDeps } from "../deps.ts";
import { makeOldRows } from "../room/old_rows.ts";
import { kickOut, sessionOf } from "./session.ts";

/** How often our client should be heard of: some carriers forget a connection after 60 s. */
const HEARTBEAT_MS = 25_000;

/**
 * login.signin: stores the session, puts out the same device's older one, and says where the account's inbox stands.
 * The head is read after the location is visible, so every later message is either pushed or above that head.
 */
export function signIn(deps: Pick<LogicDeps, "clock" | "sessions" | "messages" | "newGeneration">) {
  return async (ctx: CommandContext, request: pkt.Session): Promise<pkt.LoginResp> => {
    const { channelId, content } = ctx;
    const session = sessionOf(ctx, request, { channelId, content, generation: deps.newGeneration() });
    const replaced = await store(deps, ctx, session);
    // A login that is tried at another server finds itself.
    for (const old of replaced) if (old.channelId !== channelId) kickOut(ctx, old);
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

/**
 * Makes the login the newest of its device. Of those that the store has it may not be, by its generation: another server's
 * clock is ahead, or this login is late, because a process stood still after it had begun.
 */
async function store(
  { clock, sessions }: Pick<LogicDeps, "clock" | "sessions">,
  ctx: CommandContext,
  session: Session,
): Promise<Session[]> {
  for (let { generation } = session;;) {
    if (clock.mono() > ctx.startBy) throw new ImError("BUSY", LATE);
    try {
      const replaced = await sessions.add({ ...session, generation });
      ctx.generation = generation;
      return replaced;
    } catch (thrown) {
      if (!(thrown instanceof OlderLogin)) return notStored(thrown);
      generation = thrown.generation + 1n;
    }
  }
}

/** A login that waited in a stopped process must not put a newer one out. */
const LATE = "Cannot log in: it took too long to reach a server, try again";

/** The connection is gone, its gateway has no lease now, or the sessions are out of reach: the client tries again (300). */
function notStored(thrown: unknown): never {
  const error = ImError.from(thrown);
  if (error.code === "CLOSED") throw error;
  throw new ImError("CLOSED", "Cannot log in: sessions cannot be stored now, try again", { cause: error });
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
