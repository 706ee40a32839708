import { expect, test } from "bun:test";
import { existsSync, linkSync, lstatSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { listenTcp, serveHttp } from "#runtime";
import { OPCODE } from "../../src/protocol/frame.ts";
import { Bench, bytes, clientFrame, framesIn, Probe, text, until } from "../contract/listen_support.ts";
import { NetRaw, placeOf, real } from "../contract/wirings.ts";
import { tempDir } from "../support/temp.ts";

const KINDS = [["tcp"], ["ws"]] as ["tcp" | "ws"][];
const at = (unix: string) => ({ hostname: "", port: 0, unix });

/** Listens there; whoever asks hears `name`. */
const page = (path: string, name = "page") =>
  serveHttp(at(path), (_request, env) => new Response(`${name} ${env.remote}`));

async function ask(path: string): Promise<string> {
  const raw = await NetRaw.at(`http+unix:${path}`);
  raw.write(bytes("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  await until(() => raw.ended || raw.closed, "the answer");
  raw.destroy();
  return text(raw.received).split("\r\n\r\n")[1]!;
}

/** A socket's file that its process left behind: a second name, since ours removes the first. */
async function leave(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.live`, resolve));
  linkSync(`${path}.live`, path);
  await new Promise((resolve) => server.close(resolve));
}

test.each(KINDS)("%s: a unix socket's URL, rights and end", async (kind) => {
  await using dir = await tempDir();
  const path = dir.in("a b#%ü?.sock");
  const wiring = real(kind, "unix");
  const bench = new Bench(wiring, () => {});
  const probes = bench.probes;
  bench.listening = await wiring.listen((conn) => {
    const probe = new Probe();
    probe.conn = conn;
    probes.push(probe);
    return probe;
  }, at(path) as object);
  expect(lstatSync(path).isSocket()).toBe(true);
  expect((lstatSync(path).mode & 0o777).toString(8)).toBe("660");
  expect(bench.url.endsWith("/a%20b%23%25%C3%BC%3F.sock")).toBe(true);
  const { client } = await bench.join();
  bench.listening.stopAccepting();
  expect(existsSync(path)).toBe(false);
  client.conn.send([bytes("still served")]);
  await until(() => probes[0]!.packets.length === 1, "the packet");
  await bench[Symbol.asyncDispose]();
  await until(() => client.closes.length === 1, "dropped");
});

test("a socket that a dead process left is replaced, one in use is not", async () => {
  await using dir = await tempDir();
  const path = dir.in("x.sock");
  await leave(path);
  expect(lstatSync(path).isSocket()).toBe(true);
  await using _page = await page(path);
  expect(await ask(path)).toBe("page unix");
  const second = listenTcp(at(path), () => new Probe());
  await expect(second).rejects.toThrow(`Cannot listen on unix socket ${path}: a process listens there. Stop it`);
  expect(await ask(path)).toBe("page unix");
});

test("somebody's file, a folder that is not there and a long path are refused, and nothing is left behind", async () => {
  await using dir = await tempDir();
  const path = dir.in("x.sock");
  writeFileSync(path, "somebody's work");
  await expect(page(path)).rejects.toThrow("there is a file that is no socket. Remove it, or choose another path");
  expect(lstatSync(path).size).toBe(15);
  await expect(page(dir.in("no", "x.sock"))).rejects.toThrow("there is no such folder. Make it first");
  await expect(page(dir.in("x".repeat(120)))).rejects.toThrow("the path is too long");
});

test("the file of a process that took the path over is left alone", async () => {
  await using dir = await tempDir();
  const path = dir.in("x.sock");
  const old = await page(path, "old");
  await using _next = await page(dir.in("y.sock"), "next");
  renameSync(dir.in("y.sock"), path);
  expect(await ask(path)).toBe("next unix");
  await old[Symbol.asyncDispose]();
  expect(await ask(path)).toBe("next unix");
});

test("a proxy on a unix socket is believed when it is trusted: its PROXY header names the client", async () => {
  const seen: string[] = [];
  await using listening = await listenTcp({ ...placeOf("unix"), isProxy: (ip) => ip === "unix" }, (conn) => {
    seen.push(conn.remote);
    const probe = new Probe();
    probe.onPacket = (packet) => void conn.send([packet.slice()]);
    return probe;
  });
  const raw = await NetRaw.at(listening.url);
  const signature = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10];
  raw.write(new Uint8Array([...signature, 0x21, 0x11, 0, 12, 203, 0, 113, 7, 1, 2, 3, 4, 1, 0, 2, 0]));
  raw.write(clientFrame("tcp", OPCODE.BINARY, bytes("x")));
  await until(() => framesIn("tcp", raw.received).length === 1, "the echo");
  expect(seen).toEqual(["203.0.113.7:256"]);
  raw.destroy();
});
