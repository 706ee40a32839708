import { ImError } from "../../base/errors.ts";
import type { Middleware } from "../router.ts";

/**
 * At most `most` requests under way at once; more are answered BUSY, at once.
 * @param again "taken": not those that were forwarded before. They may have been carried out, only the store knows.
 */
export function limit(most: number, again: "taken" | "limited" = "limited"): Middleware {
  let running = 0;
  return async (ctx, next) => {
    if (running >= most && !(again === "taken" && ctx.again)) {
      throw new ImError("BUSY", `Cannot take the request: ${most} are under way`);
    }
    running++;
    try {
      return await next();
    } finally {
      running--;
    }
  };
}
