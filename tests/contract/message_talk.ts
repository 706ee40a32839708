import { ImError } from "../../src/base/errors.ts";
import type { Appended, AppendRequest, MessageStore } from "../../src/message/message_store.ts";

/** An append of app kim that nothing is in the way of. */
export function talk(sender: string, dest: string, over: Partial<AppendRequest> = {}): AppendRequest {
  return { app: "kim", sender, dest, type: 1, body: `${sender} to ${dest}`, extra: "", startBy: Infinity, ...over };
}

/** One append, which must be stored. */
export async function stored(store: MessageStore, request: AppendRequest): Promise<Appended> {
  const [result] = await store.append([request]);
  if (!result || result instanceof ImError) throw result ?? new Error("no result");
  return result;
}
