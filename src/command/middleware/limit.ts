import { ImError } from "../../base/errors.ts";
import type { Middleware } from "../router.ts";

/** At most `most` requests under way at once; more are answered BUSY, at once. */
export function limit(most: number): Middleware {
  let running = 0;
  return async (_ctx, next) => {
    if (running >= most) throw new ImError("BUSY", `Cannot take the request: ${most} are under way`);
    running++;
    try {
      return await next();
    } finally {
      running--;
    }
  };
}
