import { ImError } from "../base/errors.ts";
import type { Conn, Dial } from "../comm/ports.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import { type ClientSocket, type ClientSocketEvents, type Connect, connectWebSocket } from "../sdk/socket.ts";

/** How the SDK connects from a terminal: `tcp://` over the runtime's sockets, everything else by its WebSocket. */
export function connectWith(dial: Dial, timeoutMs = 8_000): Connect {
  return (url, events) => url.startsWith("tcp:") ? tcp(dial, url, events, timeoutMs) : connectWebSocket(url, events);
}

function tcp(dial: Dial, url: string, events: ClientSocketEvents, timeoutMs: number): ClientSocket {
  let conn: Conn | undefined;
  let left = false;
  const connEvents = {
    packet: (bytes: Uint8Array) => events.packet(bytes),
    alive() {},
    pinged() {},
    drained() {},
    closed: ({ code, reason }: CloseReason) => events.closed(code, reason),
  };
  dial(url, () => connEvents, { timeoutMs }).then(
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
