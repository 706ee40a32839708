/**
 * Run by bad_input_load.ts in a process of its own: opens connections that never log in and tells how long each kind
 * was let live. Arguments: HTTP port, TCP port, how many.
 */
import net from "node:net";
import process from "node:process";
import { pool } from "../../src/load/pool.ts";

const [http, tcp, count] = process.argv.slice(2).map(Number) as [number, number, number];
const HEAD = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

interface Kind {
  readonly name: string;
  readonly port: number;
  readonly says: string;
  /** Sent byte by byte, one each second, as long as the connection lives. */
  readonly drip: string;
}
const KINDS: readonly Kind[] = [
  { name: "http silent", port: http, says: "", drip: "" },
  { name: "http half a head", port: http, says: HEAD.slice(0, 70), drip: "" },
  { name: "http dripping head", port: http, says: HEAD, drip: `X: ${"y".repeat(100)}` },
  { name: "upgraded silent", port: http, says: `${HEAD}\r\n`, drip: "" },
  { name: "tcp silent", port: tcp, says: "", drip: "" },
  { name: "tcp half a frame", port: tcp, says: "\x02\x00\x00", drip: "" },
  { name: "tcp dripping frame", port: tcp, says: "\x02\x00\x00\x01\x00", drip: "y".repeat(100) },
];

/** Connects; resolves then, and tells `closed` how many ms it lived. */
function open({ port, says, drip }: Kind, closed: (ms: number) => void): Promise<void> {
  return new Promise((resolve) => {
    let startMs = performance.now();
    let timer: ReturnType<typeof setInterval> | undefined;
    let said = 0;
    const socket = net.connect(port, "127.0.0.1", () => {
      startMs = performance.now();
      if (says !== "") socket.write(says, "latin1");
      if (drip !== "") timer = setInterval(() => socket.write(drip[said++ % drip.length]!), 1_000);
      resolve();
    });
    socket.on("data", () => {});
    socket.on("error", () => {}); // "close" follows
    socket.on("close", () => {
      clearInterval(timer);
      closed(performance.now() - startMs);
      resolve();
    });
  });
}

const lives = new Map<string, number[]>(KINDS.map(({ name }) => [name, []]));
let left = count;
const over = Promise.withResolvers<void>();
await pool(count, 64, (i) => {
  const kind = KINDS[i % KINDS.length]!;
  return open(kind, (ms) => {
    lives.get(kind.name)!.push(ms);
    if (--left === 0) over.resolve();
  });
});
console.log(`opened ${count}`);
await over.promise;
const rows = [...lives].map(([name, ms]) => ({
  name,
  count: ms.length,
  minMs: Math.round(Math.min(...ms)),
  maxMs: Math.round(Math.max(...ms)),
}));
console.log(`lives ${JSON.stringify(rows)}`);
process.exit(0);
