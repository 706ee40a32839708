import { describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { connect } from "node:tls";
import { dial, listenTcp, serveHttp } from "#runtime";
import type { Accept, ListenAt, Listening } from "../../src/comm/ports.ts";
import { OPCODE } from "../../src/protocol/frame.ts";
import { Bench, bytes, clientFrame, pause, Probe, text, until } from "../contract/listen_support.ts";
import { NetRaw, real } from "../contract/wirings.ts";
import { CA, certificate, type TestCertificate } from "../support/certificates.ts";
import { RUNTIME } from "../support/processes.ts";

const LOCAL = { hostname: "127.0.0.1", port: 0 } as const;
const KINDS = [["tcp"], ["ws"]] as ["tcp" | "ws"][];

const echo: Accept = (conn) => {
  const probe = new Probe();
  probe.conn = conn;
  probe.onPacket = (packet) => void conn.send([packet.slice()]);
  return probe;
};

async function serve(kind: "tcp" | "ws", at: ListenAt): Promise<Listening> {
  if (kind === "tcp") return await listenTcp(at, echo);
  const http = await serveHttp(at, (request, env) => {
    if (request.headers.has("upgrade")) return env.upgrade(request, echo);
    return new Response(`${new URL(request.url).protocol} ${env.secure} ${env.remote}`);
  });
  return { ...http, url: http.url.replace(/^http/, "ws") };
}

async function join(url: string): Promise<Probe> {
  const probe = new Probe();
  await dial(url, (conn) => {
    probe.conn = conn;
    return probe;
  }, { ca: CA });
  return probe;
}

async function answers(probe: Probe, what: string): Promise<void> {
  const before = probe.packets.length;
  probe.conn.send([bytes(what)]);
  await until(() => probe.packets.length > before, `an echo of ${what}`);
  expect(text(probe.packets.at(-1)!)).toBe(what);
}

/** The name in the certificate that a new connection is shown. */
function shown(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const stream = connect({ host: "127.0.0.1", port, ca: CA }, () => {
      resolve(String(stream.getPeerCertificate().subject.CN));
      stream.destroy();
    });
    stream.on("error", reject);
  });
}

async function withTls(kind: "tcp" | "ws"): Promise<{ listening: Listening; certificate: TestCertificate }> {
  const tls = certificate("first");
  return { listening: await serve(kind, { ...LOCAL, tls }), certificate: tls };
}

describe("TLS", () => {
  test.each(KINDS)("%s: a changed certificate is shown to who comes, and who is there stays", async (kind) => {
    const { listening, certificate } = await withTls(kind);
    await using _ = listening;
    const { port, url } = listening;
    expect(url).toBe(`${kind === "ws" ? "wss" : "tls"}://127.0.0.1:${port}`);
    const early = await join(url);
    await answers(early, "before");
    expect(await shown(port)).toBe("first");
    for (const name of ["second", "first", "second"] as const) {
      certificate.change(name);
      expect(await shown(port)).toBe(name);
      await answers(early, `under ${name}`);
    }
    const late = await join(url);
    await answers(late, "after");
    await listening[Symbol.asyncDispose]();
    await until(() => early.closes.length + late.closes.length === 2, "both dropped");
    await expect(join(url)).rejects.toThrow("nobody answers there");
  });

  test.each(KINDS)(
    "%s: while certificates change, who comes gets in",
    async (kind) => {
      const { listening, certificate } = await withTls(kind);
      await using _ = listening;
      const CHANGES = 10;
      // Bun hands the port over: what the kernel has accepted by then and Bun has not is reset, at each change.
      const tries = RUNTIME === "bun" ? CHANGES + 1 : 1;
      const joinAgain = (left: number): Promise<Probe> =>
        join(listening.url).catch((thrown) => left > 1 ? joinAgain(left - 1) : Promise.reject(thrown));
      const joining: Promise<Probe>[] = [];
      for (let round = 0; round < CHANGES; round++) {
        for (let i = 0; i < 5; i++) joining.push(joinAgain(tries));
        certificate.change(round % 2 ? "first" : "second");
        await pause(20);
      }
      for (const probe of await Promise.all(joining)) await answers(probe, "x");
    },
  );

  test("the request's URL says https, the routes too, and peers have their address", async () => {
    await using listening = await serve("ws", { ...LOCAL, tls: certificate("first") });
    const raw = await NetRaw.at(listening.url);
    raw.write(bytes("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    await until(() => raw.ended || raw.closed, "the answer");
    expect(text(raw.received)).toMatch(/https: true 127\.0\.0\.1:\d+/);
    raw.destroy();
  });

  test.each(
    [
      ["an unknown authority", "first", "127.0.0.1", undefined],
      ["an expired certificate", "expired", "127.0.0.1", CA],
      ["a certificate of the future", "future", "127.0.0.1", CA],
      ["another's name", "first", "127.0.0.2", CA],
    ] as const,
  )("our client refuses %s", async (_name, name, host, ca) => {
    await using listening = await listenTcp({ hostname: "0.0.0.0", port: 0, tls: certificate(name) }, echo);
    const url = `tls://${host}:${listening.port}`;
    await expect(dial(url, () => new Probe(), ca === undefined ? {} : { ca })).rejects.toThrow(
      "certificate is refused",
    );
  });

  test("our client is told what speaks no TLS, and gives a silent server up in time", async () => {
    await using plain = await listenTcp(LOCAL, echo);
    const at = (port: number) => `tls://127.0.0.1:${port}`;
    await expect(dial(at(plain.port), () => new Probe(), { ca: CA })).rejects.toThrow("it does not speak TLS there");
    const streams: { destroy(): void }[] = [];
    const silent = createServer((stream) => void streams.push(stream));
    const port = await new Promise<number>((resolve) =>
      silent.listen(0, "127.0.0.1", () => resolve((silent.address() as { port: number }).port))
    );
    const late = dial(at(port), () => new Probe(), { ca: CA, timeoutMs: 100 });
    await expect(late).rejects.toThrow("no connection in 100 ms");
    for (const stream of streams) stream.destroy();
    silent.close();
  });

  const HELLO = new Uint8Array([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 1, 2, 3]);
  test.each<["tcp" | "ws", string, Uint8Array]>([
    ["tcp", "a plain frame", clientFrame("tcp", OPCODE.BINARY, bytes("x"))],
    ["tcp", "plain HTTP", bytes("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
    ["tcp", "garbage", new Uint8Array(500).fill(200)],
    ["ws", "plain HTTP", bytes("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
    ["ws", "garbage", new Uint8Array(500).fill(200)],
  ])("%s with TLS: %s is closed at once, and bystanders stay", async (kind, _name, first) => {
    const { listening } = await withTls(kind);
    await using _ = listening;
    const bystander = await join(listening.url);
    const raw = new NetRaw(listening.port);
    raw.write(first);
    await until(() => raw.ended || raw.closed, "it was closed");
    raw.destroy();
    await answers(bystander, "still here");
  });

  test.each(KINDS)("%s without TLS: a handshake is closed, and bystanders stay", async (kind) => {
    await using listening = await serve(kind, LOCAL);
    const bystander = await join(listening.url);
    const stream = connect({ host: "127.0.0.1", port: listening.port, ca: CA });
    let over = false;
    stream.on("error", () => over = true).on("close", () => over = true);
    await until(() => over, "it was closed");
    stream.destroy();
    await answers(bystander, "still here");
  });

  test.each(KINDS)("%s: handshakes that never end are dropped in time, and bystanders stay", async (kind) => {
    const { listening } = await withTls(kind);
    await using _ = listening;
    const bystander = await join(listening.url);
    const all = Array.from({ length: 50 }, (_, i) => {
      const raw = new NetRaw(listening.port);
      if (i % 2) raw.write(HELLO);
      return raw;
    });
    await answers(bystander, "meanwhile");
    const waitMs = kind === "ws" && RUNTIME === "bun" ? 16_000 : 8_000; // Bun's own time for HTTP is 12 s
    await until(() => all.every((raw) => raw.ended || raw.closed), "all are dropped", waitMs);
    for (const raw of all) raw.destroy();
    await answers(bystander, "afterwards");
  }, 20_000);

  test.each([["tcp", "tls"], ["ws", "tls"], ["tcp", "plain"]] as const)(
    "%s, %s: what a paused connection is sent waits at the sender, not in this process",
    async (kind, carrier) => {
      await using bench = await Bench.start(real(kind, carrier));
      const { raw, server } = await bench.joinRaw();
      server.conn.pause();
      const frame = clientFrame(kind, OPCODE.BINARY, new Uint8Array(60 << 10));
      for (let i = 0; i < 800; i++) raw.write(frame);
      await pause(500);
      expect((raw as NetRaw).socket.writableLength).toBeGreaterThan(16 << 20);
      server.conn.resume();
      await until(() => server.packets.length === 800, "everything", 8_000);
    },
    15_000,
  );
});
