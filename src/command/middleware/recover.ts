import { ImError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Content } from "../../protocol/body_codec.ts";
import { STATUS, type StatusName } from "../../protocol/status.ts";
import type { Middleware } from "../router.ts";

/**
 * The one place that turns an error into a reply: status in the context, body from `encodeError`. Only errors that
 * speak of the request, or say that something it needs is not there now (CLOSED), keep their text; what failed behind
 * the handler is logged here, once, and told neutrally. CLOSED for a request with a key passes: this server stops and does
 * not know what becomes of it, another one will be asked.
 */
export function recover(log: Logger, encodeError: (content: Content, message: string) => Uint8Array): Middleware {
  return async (ctx, next) => {
    try {
      return await next();
    } catch (thrown) {
      const error = ImError.from(thrown);
      if (error.code === "CLOSED" && ctx.key) throw error;
      const name = statusOf(error);
      ctx.status = STATUS[name].wire;
      if (name !== "SYSTEM" || error.code === "CLOSED") return encodeError(ctx.content, error.message);
      const fields = { command: ctx.header.command, app: ctx.app, account: ctx.account, error };
      if (thrown instanceof ImError) log.warn("command failed", fields); // what it needs cannot be had now
      else log.error("command failed", fields);
      return encodeError(ctx.content, "Cannot do this now: try again");
    }
  };
}

/** The status a peer is told for an error: the codec's own codes mean a bad body, the rest of the unknown is ours. */
export function statusOf(error: ImError): StatusName {
  if (error.code in STATUS) return error.code as StatusName;
  return error.code === "BODY_INVALID" ? "INVALID_BODY" : "SYSTEM";
}
