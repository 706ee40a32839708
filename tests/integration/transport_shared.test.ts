import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import process from "node:process";
import { dial, listenTcp, serveHttp } from "#runtime";
import { ImError } from "../../src/base/errors.ts";
import type { Accept, ListenAt } from "../../src/comm/ports.ts";
import { CLOSE } from "../../src/protocol/close_reason.ts";
import { Probe } from "../contract/listen_support.ts";
import { CA, certificate, type CertificateName } from "../support/certificates.ts";
import { freePort } from "../support/free_port.ts";
import { type Child, startScript } from "../support/processes.ts";
import { tempDir } from "../support/temp.ts";

const KINDS = [["tcp"], ["ws"]] as ["tcp" | "ws"][];
const LINUX = process.platform === "linux";

/** One server of several at a place; listens when this resolves. */
async function server(name: string, kind: "tcp" | "ws", place: string): Promise<Child> {
  const child = await startScript("tests/integration/transport_shared.fixture.ts", [name, kind, place]);
  await child.find(/listening \d+/);
  return child;
}

/** Opens a connection, asks who is there, and leaves. Rejects when it was refused, or ended without an answer. */
async function ask(url: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const conn = await dial(url, () => ({
    packet: (bytes) => resolve(new TextDecoder().decode(bytes)),
    alive() {},
    pinged() {},
    drained() {},
    closed: (why) => reject(new Error(`ended: ${why.reason}`)),
  }), { ca: CA });
  conn.send([new TextEncoder().encode("who?")]);
  const name = await promise;
  conn.close(CLOSE.GONE);
  return name;
}

/** Connections made one after the other by several at once, until `stop`. */
class Crowd {
  readonly answers = new Map<string, number>();
  readonly failures: string[] = [];
  count = 0;
  #stopped = false;
  readonly #running: Promise<void>[];

  constructor(url: string, most = 16) {
    this.#running = Array.from({ length: most }, () => this.#run(url));
  }

  async made(count: number): Promise<void> {
    const goal = this.count + count;
    while (this.count < goal) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async #run(url: string): Promise<void> {
    while (!this.#stopped) {
      try {
        const name = await ask(url);
        this.answers.set(name, (this.answers.get(name) ?? 0) + 1);
      } catch (thrown) {
        const cause = thrown instanceof ImError ? `${thrown.message}` : `${thrown}`;
        this.failures.push(cause);
      }
      this.count++;
    }
  }
}

test.each(KINDS)("%s: a process takes a unix path over, again and again: nobody is refused", async (kind) => {
  await using dir = await tempDir();
  const path = dir.in("gw.sock");
  let current = await server("0", kind, path);
  const crowd = new Crowd(`${kind}+unix:${path}`);
  try {
    for (let round = 1; round <= 3; round++) {
      await crowd.made(100);
      const next = await server(`${round}`, kind, path);
      const exited = current.stop(); // at once: what waits for it is served, too
      await crowd.made(100);
      expect(await exited).toMatchObject({ code: 0 });
      await current[Symbol.asyncDispose]();
      current = next;
    }
    await crowd.made(100);
    await crowd.stop();
    expect(crowd.failures).toEqual([]);
    expect(crowd.count).toBeGreaterThan(600);
    expect([...crowd.answers.keys()].sort()).toEqual(["0", "1", "2", "3"]);
    expect(readdirSync(dir.path)).toEqual(["gw.sock"]);
  } finally {
    await crowd.stop();
    await current[Symbol.asyncDispose]();
  }
}, 60_000);

test.each(KINDS)(
  "%s: two processes share a port that both want to share; a third that does not is refused",
  async (kind) => {
    if (!LINUX) return; // only Linux spreads connections over them
    const port = await freePort();
    const place = `${port}`, url = `${kind}://127.0.0.1:${port}`;
    await using first = await server("first", kind, place);
    const crowd = new Crowd(url);
    try {
      await crowd.made(50);
      await using second = await server("second", kind, place);
      while (!crowd.answers.has("second")) await crowd.made(10);
      const third = listenTcp({ hostname: "127.0.0.1", port }, () => new Probe());
      await expect(third).rejects.toThrow("the port is taken");
      process.kill(first.pid, "SIGTERM");
      expect(await first.exited).toMatchObject({ code: 0 });
      await crowd.made(100);
      const soFar = crowd.answers.get("first");
      await crowd.made(50);
      await crowd.stop();
      expect(crowd.answers.get("first")).toBe(soFar!);
      // What the kernel had for the process that left is reset: a connection for each of those that ask at most.
      expect(crowd.failures.length).toBeLessThanOrEqual(16);
      expect(crowd.failures.filter((why) => /refused/i.test(why))).toEqual([]);
      expect(second.stderr).toBe("");
    } finally {
      await crowd.stop();
    }
  },
);

/** Answers whatever comes. */
const answer: Accept = (conn) => {
  const probe = new Probe();
  probe.onPacket = (packet) => void conn.send([packet.slice()]);
  return probe;
};
const LISTEN = {
  tls: (at: ListenAt) => listenTcp(at, answer),
  wss: (at: ListenAt) => serveHttp(at, (request, env) => env.upgrade(request, answer)),
};

test.skipIf(!LINUX).each([["tls"], ["wss"]] as ["tls" | "wss"][])(
  "%s: a port is shared, each has its certificate, and one that leaves takes nobody along",
  async (kind) => {
    const listen = (port: number, name: CertificateName, reusePort = true) =>
      LISTEN[kind]({ hostname: "127.0.0.1", port, reusePort, tls: certificate(name) });
    await using first = await listen(0, "first");
    const url = `${kind}://127.0.0.1:${first.port}`;
    await using second = await listen(first.port, "second");
    expect(second.port).toBe(first.port);
    await expect(listen(first.port, "first", false)).rejects.toThrow("the port is taken");
    for (let i = 0; i < 10; i++) expect(await ask(url)).toBe("who?");
    first.stopAccepting();
    for (let i = 0; i < 10; i++) expect(await ask(url)).toBe("who?");
  },
  30_000,
);

test("a path that is not shared is not taken over, and goes with its process", async () => {
  await using dir = await tempDir();
  const at = { hostname: "", port: 0, unix: dir.in("x.sock") };
  const first = await listenTcp(at, () => new Probe());
  await expect(listenTcp(at, () => new Probe())).rejects.toThrow("a process listens there");
  await using _next = await listenTcp({ ...at, reusePort: true }, () => new Probe());
  await first[Symbol.asyncDispose]();
  expect(existsSync(at.unix)).toBe(true);
});
