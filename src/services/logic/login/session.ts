import { ImError } from "../../../base/errors.ts";
import type { CommandContext } from "../../../command/context.ts";
import type { Content } from "../../../protocol/body_codec.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { isName } from "../../../protocol/names.ts";
import type { Session } from "../../../session/store.ts";

/**
 * The session that a gateway wrote; the gateway itself is the link's, whatever the body says.
 * @throws {ImError} INVALID_BODY: app, account or device is no legal name.
 */
export function sessionOf(
  ctx: CommandContext,
  { app, account, device, remoteIP, zone, isp, tags }: pkt.Session,
  channel: { readonly channelId: string; readonly content: Content; readonly generation: bigint },
): Session {
  if (!isName(app) || !isName(account) || (device !== "" && !isName(device))) {
    throw new ImError("INVALID_BODY", "Cannot log in: app, account or device is not a legal name");
  }
  const { gateId, incarnation } = ctx;
  return { app, account, device, gateId, incarnation, remoteIp: remoteIP, zone, isp, tags, ...channel };
}

/** Tells a channel that its device is elsewhere now. */
export function kickOut(ctx: CommandContext, { gateId, channelId, content }: Session): void {
  const target = { gateId, channelId, content, pos: 0, own: false };
  ctx.dispatch([target], pkt.KickoutNotify, { channelId }, "login.signin");
}
