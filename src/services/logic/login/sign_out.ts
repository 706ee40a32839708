import type { CommandContext } from "../../../command/context.ts";
import type { LogicDeps } from "../deps.ts";

/** login.signout: ends the session of this channel. A session that is gone, or belongs to a newer login, stays as it is. */
export function signOut(deps: Pick<LogicDeps, "sessions">) {
  return async (ctx: CommandContext): Promise<Record<string, never>> => {
    const session = await deps.sessions.get(ctx.channelId);
    if (session) await deps.sessions.delete(session);
    return {};
  };
}
