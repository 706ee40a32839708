import type { CommandContext } from "../../../command/context.ts";
import type { LogicDeps } from "../deps.ts";

/** login.signout: ends the session of this channel; a newer login of its device stays. */
export function signOut(deps: Pick<LogicDeps, "sessions">) {
  return async (ctx: CommandContext): Promise<Record<string, never>> => {
    await deps.sessions.end(ctx.channelId);
    return {};
  };
}
