import { ImError } from "../base/errors.ts";
import type { Conn, Dial, DialOptions } from "../comm/ports.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import { type ClientSocket, type ClientSocketEvents, type Connect, connectWebSocket } from "../sdk/socket.ts";

/**
 * How the SDK connects from a terminal: `ws://` by the runtime's WebSocket, every other URL that `dial` knows over its
 * sockets. So does `wss://`: a WebSocket takes no authority of one's own (`ca`, PEM), and on Deno it does not say that a
 * certificate was refused.
 */
export function connectWith(dial: Dial, { ca, timeoutMs = 8_000, tlsProblem }: ConnectOptions = {}): Connect {
  const options = { timeoutMs, ...(ca !== undefined && { ca }) };
  const told = new Set<string>();
  const failed = (message: string) => {
    if (!/certificate|TLS/.test(message) || told.has(message)) return;
    told.add(message);
    tlsProblem?.(message);
  };
  return (url, events) =>
    url.startsWith("ws:") ? connectWebSocket(url, events) : dialled(dial, url, events, options, failed);
}

/** For `connectWith`. */
export interface ConnectOptions {
  readonly ca?: string | undefined;
  readonly timeoutMs?: number;
  /** Told why TLS failed, once for each reason: waiting does not mend it, and the SDK only says that it cannot connect. */
  readonly tlsProblem?: ((message: string) => void) | undefined;
}

function dialled(
  dial: Dial,
  url: string,
  events: ClientSocketEvents,
  options: DialOptions,
  failed: (message: string) => void,
): ClientSocket {
  let conn: Conn | undefined;
  let left = false;
  const connEvents = {
    packet: (bytes: Uint8Array) => events.packet(bytes),
    alive() {},
    pinged() {},
    drained() {},
    closed: ({ code, reason }: CloseReason) => events.closed(code, reason),
  };
  dial(url, () => connEvents, options).then(
    (made) => {
      if (left) return made.destroy();
      conn = made;
      events.opened();
    },
    (thrown) => {
      const { message } = ImError.from(thrown);
      failed(message);
      events.closed(CLOSE.GONE.code, message);
    },
  );
  return {
    send: (packet: Uint8Array) => void conn?.send([packet]),
    close: (why: CloseReason) => {
      left = true;
      conn?.close(why);
    },
  };
}
