import type { CommandContext } from "../../../command/context.ts";
import { ROOM_CHANGE } from "../../../protocol/commands.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";
import type { Target } from "../../../protocol/route.ts";
import type { LogicDeps } from "../deps.ts";

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
 * The same for all channels of these accounts but those that were told, of a change that a later one may have overtaken
 * while they were looked up: what is not so any more is taken back.
 */
export async function changeRoomsLate(
  deps: Pick<LogicDeps, "messages" | "sessions">,
  ctx: Pick<CommandContext, "dispatch">,
  accounts: readonly string[],
  change: pkt.RoomChange,
  told: readonly Target[] = [],
): Promise<void> {
  const { app, groupId, joined } = change;
  const known = new Set(told.map((one) => one.channelId));
  const found = (await deps.sessions.locate(app, accounts)).filter((one) => !known.has(one.channelId));
  changeRooms(ctx, found.map(targetOf), change);
  for (const account of new Set(found.map((one) => one.account))) {
    if (await deps.messages.isMember(app, groupId, account) === joined) continue;
    const room = joined ? undefined : (await deps.messages.rooms(app, account)).find(({ group }) => group === groupId);
    const seq = room?.joinedSeq ?? change.seq;
    changeRooms(ctx, found.filter((one) => one.account === account).map(targetOf), { ...change, joined: !joined, seq });
  }
}

/** Between servers bodies are always protobuf. */
function targetOf({ gateId, channelId }: { readonly gateId: string; readonly channelId: string }): Target {
  return { gateId, channelId, content: "protobuf", pos: 0, own: false };
}
