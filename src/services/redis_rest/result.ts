import { RedisError, RedisStatus, type Reply } from "./resp.ts";

/** One entry of a pipeline's answer, and the body of a single command's. */
export type Result = { readonly result: unknown } | { readonly error: string };

const decoder = new TextDecoder();

/** A reply as JSON has it. With `base64` all strings but "OK" are base64. */
export function resultOf(reply: Reply, base64: boolean): Result {
  return reply instanceof RedisError ? { error: reply.message } : { result: valueOf(reply, base64) };
}

function valueOf(reply: Reply, base64: boolean): unknown {
  // hot: per value
  if (reply === null || typeof reply === "number") return reply;
  if (reply instanceof Uint8Array) return base64 ? encoded(reply) : decoder.decode(reply);
  if (reply instanceof RedisStatus) {
    return base64 && reply.text !== "OK" ? encoded(new TextEncoder().encode(reply.text)) : reply.text;
  }
  if (reply instanceof RedisError) return reply.message; // inside of an array: EXEC, or a script's
  return reply.map((one) => valueOf(one, base64));
}

const PIECE = 8192;

function encoded(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += PIECE) text += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  return btoa(text);
}
