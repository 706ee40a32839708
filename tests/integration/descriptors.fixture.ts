// A server that echoes packets, for transport_descriptors.test.ts to run with few descriptors.
import process from "node:process";
import { listenTcp, serveHttp } from "#runtime";
import type { Accept } from "../../src/comm/ports.ts";
import { Probe } from "../contract/listen_support.ts";

process.on("SIGTERM", () => process.exit(0));
const echo: Accept = (conn) => {
  const probe = new Probe();
  probe.onPacket = (packet) => void conn.send([packet.slice()]);
  return probe;
};
const at = { hostname: "127.0.0.1", port: 0 };
const unix = process.argv[2];
const tcp = await listenTcp(unix === undefined ? at : { ...at, unix }, echo);
const http = await serveHttp(
  at,
  (request, env) => request.headers.has("upgrade") ? env.upgrade(request, echo) : new Response("page"),
);
// What a runtime opens late (Deno its signals) is open by then.
setTimeout(() => console.log(`listening ${tcp.port} ${http.port}`), 500);
