import { ImError } from "../../base/errors.ts";
import type { Groups } from "./groups.ts";
import { answered, type Keys } from "./keys.ts";
import { created, type Done, done, type Op } from "./ops.ts";

/** The answer to an op that was asked for before; undefined: it is new. */
export function knownOp(op: Op, keys: Keys, groups: Groups): Done | ImError | undefined {
  const key = "key" in op ? op.key : undefined;
  const known = key && keys.find(key);
  if (!key || !known) return undefined;
  if (known instanceof ImError) return known;
  if (op.do === "create") {
    return typeof known === "object" && "group" in known ? created(known.group, op) : answered(key);
  }
  if ((op.do !== "join" && op.do !== "quit") || typeof known === "object") return answered(key);
  return done(groups.changedBefore(op, known === "became large"));
}
