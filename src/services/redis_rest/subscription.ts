import { ImError } from "../../base/errors.ts";
import type { Metrics } from "../../base/metrics.ts";
import type { RedisConn } from "./redis_conn.ts";
import type { Reply } from "./resp.ts";

/** A connection of its own: what it is told comes to `told`, its end to `lost`. */
export type Subscribe = (told: (reply: Reply) => void, lost: () => void) => RedisConn;

/** A reader that lets so much wait is dropped. */
const MOST_WAITING_BYTES = 1 << 20;

/**
 * Answers a subscription as server-sent events, `data: subscribe,<channel>,1` and then `data: message,<channel>,<text>`,
 * until the client goes.
 */
export function subscription(subscribe: Subscribe, most: number, metrics: Metrics) {
  let open = 0;
  metrics.gauge("petrel_redis_rest_subscriptions", "Open subscriptions over REST", () => open);
  return async (channels: readonly string[], signal: AbortSignal): Promise<Response> => {
    if (open >= most) throw new ImError("BUSY", `Cannot subscribe: ${most} subscriptions are open`);
    open++;
    let ended = false;
    const encoder = new TextEncoder();
    let out: ReadableStreamDefaultController<Uint8Array> | undefined;
    const end = () => {
      if (ended) return;
      ended = true;
      open--;
      conn[Symbol.dispose]();
      try {
        out?.close();
      } catch {
        // the reader has cancelled it
      }
    };
    let held: Reply[] | undefined = []; // what is told before the answer to SUBSCRIBE was handed on
    const tell = (reply: Reply) => {
      if (ended || !Array.isArray(reply)) return;
      if (held) return void held.push(reply);
      out?.enqueue(encoder.encode(`data: ${reply.map(text).join(",")}\n\n`));
      if ((out?.desiredSize ?? 0) < -MOST_WAITING_BYTES) end();
    };
    const conn = subscribe(tell, end);
    signal.addEventListener("abort", end);
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => void (out = controller),
      cancel: end,
    }, { highWaterMark: 0, size: (chunk) => chunk?.length ?? 0 });
    try {
      const replies = await conn.send(channels.map((channel) => ["SUBSCRIBE", channel]));
      const waiting = [...replies, ...held];
      held = undefined;
      for (const reply of waiting) tell(reply);
    } catch (thrown) {
      end();
      throw thrown;
    }
    return new Response(body, {
      headers: { "content-type": "text/event-stream", "cache-control": "no-cache", connection: "keep-alive" },
    });
  };
}

const decoder = new TextDecoder();

function text(reply: Reply): string {
  return reply instanceof Uint8Array ? decoder.decode(reply) : String(reply);
}
