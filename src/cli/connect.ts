import { ImError } from "../base/errors.ts";
import type { Conn, Dial, DialOptions } from "../comm/ports.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import { type ClientSocket, type ClientSocketEvents, type Connect, connectWebSocket } from "../sdk/socket.ts";

/**
 * How the SDK connects from a terminal: every URL that `dial` knows over the runtime's sockets, but `ws://` and `wss://`
 * by its WebSocket. With certificates of one's own authority (`ca`, PEM) `wss://` goes over `dial` too.
 */
export function connectWith(dial: Dial, { ca, timeoutMs = 8_000 }: ConnectOptions = {}): Connect {
  const options = { timeoutMs, ...(ca !== undefined && { ca }) };
  return (url, events) =>
    /^(tcp|tls|tcp\+unix|ws\+unix):/.test(url) || ca !== undefined && url.startsWith("wss:")
      ? dialled(dial, url, events, options)
      : connectWebSocket(url, events);
}

/** For `connectWith`. */
export interface ConnectOptions {
  readonly ca?: string | undefined;
  readonly timeoutMs?: number;
}

function dialled(dial: Dial, url: string, events: ClientSocketEvents, options: DialOptions): ClientSocket {
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
    (thrown) => events.closed(CLOSE.GONE.code, ImError.from(thrown).message),
  );
  return {
    send: (packet: Uint8Array) => void conn?.send([packet]),
    close: (why: CloseReason) => {
      left = true;
      conn?.close(why);
    },
  };
}
