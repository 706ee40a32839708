import { ImError } from "../../../base/errors.ts";
import type { CommandContext } from "../../../command/context.ts";
import { contentOf } from "../../../protocol/content.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { PAGES } from "../../../protocol/limits.ts";
import type { LogicDeps } from "../deps.ts";
import { kickOut, sessionOf } from "./session.ts";

/** im.restore: puts back sessions that the gateway still has. Of two channels of one device the older login is kicked out. */
export function restore(deps: Pick<LogicDeps, "clock" | "sessions">) {
  return async (ctx: CommandContext, request: pkt.RestoreReq): Promise<Record<string, never>> => {
    if (request.sessions.length > PAGES.restore) {
      throw new ImError("INVALID_BODY", `Cannot restore: more than ${PAGES.restore} sessions`);
    }
    if (deps.clock.mono() > ctx.startBy) throw new ImError("BUSY", "Cannot restore: nobody waits for it any more");
    const sessions = request.sessions.map((one) => {
      const content = contentOf(one.content || undefined);
      if (!content) throw new ImError("INVALID_BODY", "Cannot restore: a session has an unknown content");
      return sessionOf(ctx, one, { channelId: one.channelId, content, generation: one.generation });
    });
    for (const session of await deps.sessions.restore(sessions)) kickOut(ctx, session);
    return {};
  };
}
