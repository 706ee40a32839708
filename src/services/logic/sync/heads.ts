import type { Clock } from "../../../base/clock.ts";
import type { CommandContext } from "../../../command/context.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import type { LogicDeps } from "../deps.ts";

/** The session store may take so long before the answer does without it. */
const TOUCH_MS = 1_000;

/**
 * im.heads: how far the inboxes of a gateway's channels go, in one batch; the channels named are not silent. Those
 * without a session are told, unless the session store is out of reach: that does not keep anybody from their messages.
 */
export function heads(deps: Pick<LogicDeps, "clock" | "messages" | "sessions">) {
  return async (_ctx: CommandContext, request: pkt.HeadsReq): Promise<pkt.HeadsResp> => {
    const channels = request.items.map((item) => item.channelId).filter((id) => id !== "");
    const touched = inTime(deps.clock, deps.sessions.touch(channels));
    const positions = new Array<number>(request.items.length).fill(0);
    for (const [app, places] of byApp(request.items)) {
      const found = await deps.messages.heads(app, places.map((at) => request.items[at]!.account));
      found.forEach((head, i) => positions[places[i]!] = head.pos);
    }
    return { positions, missing: await touched };
  };
}

/** Nobody, when it failed or takes too long: the next question tells. */
function inTime(clock: Clock, touched: Promise<string[]>): Promise<string[]> {
  return new Promise((resolve) => {
    const timer = clock.after(TOUCH_MS, () => resolve([]));
    touched.catch(() => []).then((missing) => {
      timer.stop();
      resolve(missing);
    });
  });
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
