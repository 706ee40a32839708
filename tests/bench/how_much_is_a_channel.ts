/**
 * What an idle channel costs, and how many packets a server echoes. The clients run in another process.
 *
 *   bun tests/bench/how_much_is_a_channel.ts [connections] [ws|tcp]
 *   deno run -A --v8-flags=--expose-gc tests/bench/how_much_is_a_channel.ts [connections] [ws|tcp]
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { dial, listenTcp, name, serveHttp, usage, version } from "#runtime";
import { systemClock } from "../../src/base/clock.ts";
import { silent } from "../../src/base/logger.ts";
import type { Conn } from "../../src/comm/ports.ts";
import { Server } from "../../src/comm/server.ts";

const [count = "5000", transport = "ws", role = "server", at = ""] = process.argv.slice(2);
const LOCAL = { hostname: "127.0.0.1", port: 0 } as const;
const ECHO = { connections: 50, window: 64, bytes: 128, ms: 3_000 } as const;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

if (role === "client") await client(Number(count), at);
else await server(Number(count));

async function server(connections: number): Promise<void> {
  let pushes = 0;
  const server = new Server<undefined>({}, {
    clock: systemClock,
    log: silent,
    acceptor: { accept: (_agent, packet) => ({ id: new TextDecoder().decode(packet), data: undefined }) },
    messages: { receive: (channel, packet) => (pushes++, void channel.reply(packet.slice())) },
    states: { disconnected: () => {} },
  });
  const listening = transport === "tcp"
    ? await listenTcp(LOCAL, server.accept)
    : await serveHttp(LOCAL, (request, env) => env.upgrade(request, server.accept));
  server.listening(listening);
  const url = `${transport}://127.0.0.1:${listening.port}`;

  await round(url, 500, () => sleep(500)); // what the first connections cost is not theirs
  await until(() => server.connections === 0);
  await settle();
  const before = usage().rssBytes;
  await round(url, connections, async () => {
    await until(() => server.channels.size === connections);
    await settle();
    const after = usage().rssBytes;
    const each = (after - before) / connections / 1024;
    console.log(`${name} ${version}, ${connections} ${transport} channels: ${each.toFixed(2)} KiB RSS each`);
  });
  await until(() => server.connections === 0);

  const { connections: talkers, window, bytes } = ECHO;
  await round(url, talkers, async () => {
    await until(() => server.channels.size === talkers);
    await sleep(1_000);
    const [start, startPushes, startCpu] = [performance.now(), pushes, usage().cpuMicros];
    await sleep(ECHO.ms);
    const seconds = (performance.now() - start) / 1000;
    const cpu = (usage().cpuMicros - startCpu) / (pushes - startPushes);
    const rate = Math.round((pushes - startPushes) / seconds / 1000);
    console.log(`echo, ${talkers} x ${window} in flight, ${bytes} B: ${rate} k/s, ${cpu.toFixed(2)} us of CPU each`);
  }, true);
  await server.stop();
}

/** Clients in another process while `during` runs. */
async function round(url: string, connections: number, during: () => Promise<unknown>, echo = false): Promise<void> {
  const runArgs = (name as string) === "deno" ? ["run", "-A"] : [];
  const script = fileURLToPath(import.meta.url);
  const args = [...runArgs, script, `${connections}`, transport, "client", `${url} ${echo ? "echo" : "idle"}`];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "inherit", "inherit"] });
  await during();
  child.stdin!.end();
  await new Promise((resolve) => child.once("close", resolve));
}

async function client(connections: number, what: string): Promise<void> {
  const [url = "", mode] = what.split(" ");
  const conns: Conn[] = [];
  for (let at = 0; at < connections; at += 100) {
    const some = Array.from(
      { length: Math.min(100, connections - at) },
      (_, i) => join(url, `c${at + i}`, mode === "echo"),
    );
    conns.push(...await Promise.all(some));
  }
  await new Promise((resolve) => process.stdin.once("end", resolve).resume());
  for (const conn of conns) conn.destroy();
  process.exit(0);
}

async function join(url: string, id: string, echo: boolean): Promise<Conn> {
  const packet = new Uint8Array(ECHO.bytes);
  let arrived = 0;
  const conn = await dial(url, (conn) => ({
    packet: () => {
      // As many as came since the last send, in one write.
      if (++arrived < 16) return;
      conn.send(Array.from({ length: arrived }, () => packet));
      arrived = 0;
    },
    alive: () => {},
    pinged: () => {},
    drained: () => {},
    closed: () => {},
  }), { timeoutMs: 30_000 });
  conn.send([new TextEncoder().encode(id)]);
  if (echo) conn.send(Array.from({ length: ECHO.window }, () => packet));
  return conn;
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    if (i > 6_000) throw new Error("Waited 60 s for the clients");
    await sleep(10);
  }
}

/** Lets garbage go, as far as the runtime allows. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    if ("Bun" in globalThis) (globalThis as unknown as { Bun: { gc(now: boolean): void } }).Bun.gc(true);
    else (globalThis as unknown as { gc?: () => void }).gc?.();
    await sleep(200);
  }
}
