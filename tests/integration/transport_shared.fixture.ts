// A server that answers each packet with its name, for transport_shared.test.ts: one of several at one place.
import process from "node:process";
import { listenTcp, serveHttp } from "#runtime";
import type { Accept, Conn, ListenAt } from "../../src/comm/ports.ts";
import { CLOSE } from "../../src/protocol/close_reason.ts";

const [name = "", kind, place = ""] = process.argv.slice(2);
const conns = new Set<Conn>();
const answer: Accept = (conn) => {
  conns.add(conn);
  return {
    packet: () => void conn.send([new TextEncoder().encode(name)]),
    alive() {},
    pinged() {},
    drained() {},
    closed: () => void conns.delete(conn),
  };
};
const at: ListenAt = /^\d+$/.test(place)
  ? { hostname: "127.0.0.1", port: Number(place), reusePort: true }
  : { hostname: "", port: 0, unix: place, reusePort: true };
const listening = kind === "tcp"
  ? await listenTcp(at, answer)
  : await serveHttp(at, (request, env) => env.upgrade(request, answer));
process.on("SIGTERM", () => {
  listening.stopAccepting();
  setTimeout(() => {
    for (const conn of conns) conn.close(CLOSE.SHUTDOWN);
    listening[Symbol.asyncDispose]().then(() => process.exit(0));
  }, 700);
});
console.log(`listening ${listening.port}`);
