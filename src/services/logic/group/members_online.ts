import type { CommandContext } from "../../../command/context.ts";
import { ROOM_CHANGE } from "../../../protocol/commands.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";
import type { Target } from "../../../protocol/route.ts";
import type { LogicDeps } from "../deps.ts";
import { inTurn } from "./turns.ts";

/** Channels of these accounts, without the one that asks. `ours`: clients without `im.caps` are left out. */
export async function online(
  deps: Pick<LogicDeps, "sessions">,
  ctx: CommandContext,
  accounts: readonly string[],
  ours: boolean,
): Promise<Target[]> {
  const found = await deps.sessions.locate(ctx.app, accounts);
  return found.filter((at) => at.channelId !== ctx.channelId)
    .map(({ gateId, channelId, content }) => ({ gateId, channelId, content, pos: 0, own: ours }));
}

/** Everyone in the group, page by page. */
export async function everyMember(deps: Pick<LogicDeps, "messages">, app: string, group: string): Promise<string[]> {
  const all: string[] = [];
  let from: string | undefined;
  do {
    const page = await deps.messages.members(app, group, from, 5_000);
    for (const { account } of page.members) all.push(account);
    from = page.next;
  } while (from !== undefined);
  return all;
}

/** All channels of these accounts, as `changeRooms` wants them. */
export async function roomTargets(
  deps: Pick<LogicDeps, "sessions">,
  app: string,
  accounts: readonly string[],
): Promise<Target[]> {
  return (await deps.sessions.locate(app, accounts)).map(targetOf);
}

/** Tells the gateways that these channels are in a large group's room now, or no longer. */
export function changeRooms(
  ctx: Pick<CommandContext, "dispatch">,
  channels: readonly Target[],
  change: pkt.RoomChange,
): void {
  ctx.dispatch(channels, pkt.RoomChange, change, ROOM_CHANGE);
}

/**
 * Tells of a change that is committed; it cannot be refused any more. When nobody knows where the channels are, what the
 * store says is told later; without `tell` that is what is told now.
 */
export async function tellNow(
  deps: Pick<LogicDeps, "messages" | "sessions">,
  ctx: CommandContext,
  account: string,
  change: pkt.RoomChange,
  tell?: () => Promise<void>,
): Promise<void> {
  const { app, groupId, joined, seq } = change;
  const asStored = () => tellRooms(deps, ctx, [account], { app, groupId, seq: joined ? seq : 0, leftAt: seq });
  await (tell ?? asStored)().catch(() => ctx.after(asStored));
}

/**
 * Tells the gateways of these accounts' channels what the store says now: who is in the large group enters above the
 * seq it joined at (not below `seq`), who is not leaves at `leftAt`, if that is said. Each in its turn, so that no
 * change is told that a later one has overtaken.
 */
export async function tellRooms(
  deps: Pick<LogicDeps, "messages" | "sessions">,
  ctx: Pick<CommandContext, "dispatch">,
  accounts: readonly string[],
  room: { readonly app: string; readonly groupId: string; readonly seq: number; readonly leftAt?: number },
): Promise<void> {
  const { app, groupId, seq, leftAt } = room;
  const reached = new Set((await deps.sessions.locate(app, accounts)).map((one) => one.account));
  await Promise.all([...reached].map((account) =>
    inTurn(deps.messages, { app, groupId, account }, async () => {
      const isIn = (await deps.messages.rooms(app, account)).find((one) => one.group === groupId);
      if (!isIn && leftAt === undefined) return;
      const change = isIn ? { joined: true, seq: Math.max(seq, isIn.joinedSeq) } : { joined: false, seq: leftAt ?? 0 };
      changeRooms(ctx, await roomTargets(deps, app, [account]), { app, groupId, ...change });
    })
  ));
}

/** Between servers bodies are always protobuf. */
function targetOf({ gateId, channelId }: { readonly gateId: string; readonly channelId: string }): Target {
  return { gateId, channelId, content: "protobuf", pos: 0, own: false };
}
