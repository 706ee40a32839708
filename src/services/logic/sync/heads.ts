import type { CommandContext } from "../../../command/context.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import type { LogicDeps } from "../deps.ts";

/** im.heads: how far the inboxes of a gateway's channels go, in one batch; the channels named are not silent. */
export function heads(deps: Pick<LogicDeps, "messages" | "sessions">) {
  return async (_ctx: CommandContext, request: pkt.HeadsReq): Promise<pkt.HeadsResp> => {
    await deps.sessions.touch(request.items.map((item) => item.channelId).filter((id) => id !== ""));
    const positions = new Array<number>(request.items.length).fill(0);
    for (const [app, places] of byApp(request.items)) {
      const found = await deps.messages.heads(app, places.map((at) => request.items[at]!.account));
      found.forEach((head, i) => positions[places[i]!] = head.pos);
    }
    return { positions };
  };
}

function byApp(items: readonly pkt.HeadsItem[]): Map<string, number[]> {
  const found = new Map<string, number[]>();
  items.forEach((item, at) => {
    const places = found.get(item.app);
    if (places) places.push(at);
    else found.set(item.app, [at]);
  });
  return found;
}
