import { expect, test } from "bun:test";
import { connectWebSocket } from "./socket.ts";

test.each(["ws", "wss"])("a %s address where nobody answers ends with 1006 on every runtime", async (scheme) => {
  const { promise, resolve } = Promise.withResolvers<number>();
  connectWebSocket(`${scheme}://127.0.0.1:1`, { opened() {}, packet() {}, closed: resolve });
  expect(await promise).toBe(1006);
});
