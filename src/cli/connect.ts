import { ImError } from "../base/errors.ts";
import type { Conn, Dial, DialOptions } from "../comm/ports.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import { type ClientSocket, type ClientSocketEvents, type Connect, connectWebSocket } from "../sdk/socket.ts";

/**
 * How the SDK connects from a terminal: `ws://` by the runtime's WebSocket, every other URL that `dial` knows over its
 * sockets. So does `wss://`: a WebSocket takes no authority of one's own (`ca`, PEM), and on Deno it does not say that a
 * certificate was refused.
 */
export function connectWith(dial: Dial, { ca, timeoutMs = 8_000, problem }: ConnectOptions = {}): Connect {
  const options = { timeoutMs, ...(ca !== undefined && { ca }) };
  const told = new Set<string>();
  const failed = (message: string) => {
    if (!/certificate|TLS/.test(message) || told.has(message)) return;
    told.add(message);
    problem?.(message);
  };
  return (url, events) =>
    url.startsWith("ws:") ? connectWebSocket(url, events) : dialled(dial, url, events, options, failed);
}

/** For `connectWith`. */
export interface ConnectOptions {
  readonly ca?: string | undefined;
  readonly timeoutMs?: number;
  /**
   * Told, once for each reason, what waiting does not mend: TLS that failed, where the SDK only says that it cannot
   * connect, and another protocol.
   */
  readonly problem?: ((message: string) => void) | undefined;
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
  let heard = false;
  const connEvents = {
    packet: (bytes: Uint8Array) => {
      heard = true;
      events.packet(bytes);
    },
    alive() {},
    pinged() {},
    drained() {},
    closed: ({ code, reason }: CloseReason) => {
      // The length of a first frame that is none: "HTTP", or a record of TLS.
      if (!heard && code === CLOSE.TOO_LARGE.code) {
        failed(`${url} does not speak this protocol: is it the port for HTTP, or does it want TLS?`);
      }
      events.closed(code, reason);
    },
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
