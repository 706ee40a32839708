import { expect, test } from "bun:test";
import { once } from "node:events";
import net from "node:net";
import postgres from "postgres";
import { neverRejectTypeQuestion } from "./type_question.ts";

/** AuthenticationOk and ReadyForQuery. */
const WELCOME = Uint8Array.fromHex("520000000800000000" + "5a0000000549");

test("a connection that is lost while it is asked for types fails nobody, other statements are rejected", async () => {
  let questions = 0;
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write(WELCOME);
      socket.once("data", () => {
        questions++;
        socket.destroy();
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const sql = postgres(`postgres://ann@127.0.0.1:${port}/test`, { max: 1, connect_timeout: 2 });
  neverRejectTypeQuestion(sql`SELECT 1`);
  neverRejectTypeQuestion(sql`SELECT 1`);
  void sql.reserve(); // what nobody catches would fail this test
  for (let left = 500; questions === 0 && left > 0; left--) await new Promise((resolve) => setTimeout(resolve, 10));
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(questions).toBeGreaterThan(0);
  const plain = postgres(`postgres://ann@127.0.0.1:${port}/test`, { max: 1, fetch_types: false, connect_timeout: 2 });
  const code = await plain`SELECT 1`.then(() => "", (error: { code?: string }) => error.code);
  expect(code).toBe("CONNECTION_CLOSED");
  await Promise.all([sql.end({ timeout: 0 }), plain.end({ timeout: 0 })]);
  server.close();
});
