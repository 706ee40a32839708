import { ImError } from "../../../base/errors.ts";
import type { CommandContext } from "../../../command/context.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { PAGES } from "../../../protocol/limits.ts";
import { roomDigest } from "../../../protocol/room_digest.ts";
import type { LogicDeps } from "../deps.ts";

/** im.room.check: the large groups of those accounts whose gateway thinks otherwise. */
export function roomCheck(deps: Pick<LogicDeps, "clock" | "messages">) {
  return async (ctx: CommandContext, { items }: pkt.RoomCheckReq): Promise<pkt.RoomCheckResp> => {
    if (items.length > PAGES.roomCheck) {
      throw new ImError("INVALID_BODY", `Cannot check rooms: more than ${PAGES.roomCheck} accounts`);
    }
    if (deps.clock.mono() > ctx.startBy) throw new ImError("BUSY", "Cannot check rooms: nobody waits for it any more");
    const checked = await Promise.all(items.map(async ({ app, account, digest }, item) => {
      const rooms = await deps.messages.rooms(app, account);
      if (roomDigest(rooms.map(({ group }) => group)) === digest) return undefined;
      const told = rooms.map(async ({ group: groupId, joinedSeq, head }) => {
        // What was sent before it was large came along the inbox.
        const from = (await deps.messages.group(app, groupId))?.largeFrom ?? 0;
        return { groupId, joinedSeq: Math.max(joinedSeq, from), head };
      });
      return { item, rooms: await Promise.all(told) };
    }));
    return { results: checked.filter((one) => one !== undefined) };
  };
}
