import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";

/** One connection of the client; each packet is one message. */
export interface ClientSocket {
  /** Only after `opened`. Never throws. */
  send(packet: Uint8Array): void;
  /** Says why where the transport can, and ends. `closed` may or may not follow. */
  close(why: CloseReason): void;
}

/** What a connection tells the client. */
export interface ClientSocketEvents {
  opened(): void;
  /** One packet; the bytes are only looked at during the call. */
  packet(bytes: Uint8Array): void;
  /** Ended, or could not be opened: close code and text of RFC 6455, 1006 when there was none. */
  closed(code: number, reason: string): void;
}

/** Starts to open a connection; events come later. May throw for an address it cannot take. */
export type Connect = (url: string, events: ClientSocketEvents) => ClientSocket;

/** `ws://` and `wss://` with the runtime's own WebSocket. */
export const connectWebSocket: Connect = (url, events) => {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => events.opened());
  socket.addEventListener("message", ({ data }: { data: unknown }) => {
    if (data instanceof ArrayBuffer) events.packet(new Uint8Array(data)); // texts are not ours
  });
  // Deno says 0 when it could not be opened.
  socket.addEventListener("close", ({ code, reason }) => events.closed(code || CLOSE.GONE.code, reason));
  return {
    send: (packet) => socket.send(packet as Uint8Array<ArrayBuffer>),
    close: ({ code, reason }) => socket.close(mayBeSaid(code) ? code : 4000, reason),
  };
};

/** Which codes a browser lets a page say. Source: WebSockets standard, `close()`. */
function mayBeSaid(code: number): boolean {
  return code === 1000 || (code >= 3000 && code <= 4999);
}
