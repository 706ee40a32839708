import { copyFileSync } from "node:fs";
import { connect } from "node:tls";
import { expect, test } from "bun:test";
import * as runtime from "#runtime";
import { systemClock } from "../../src/base/clock.ts";
import { parseIpRanges } from "../../src/comm/ip_range.ts";
import { connectWith } from "../../src/cli/connect.ts";
import type { DevConfig } from "../../src/cli/dev_system.ts";
import { PetrelClient } from "../../src/sdk/client.ts";
import { MemoryStorage } from "../../src/sdk/storage.ts";
import { bytes, text, until } from "../contract/listen_support.ts";
import { NetRaw } from "../contract/wirings.ts";
import { CA, tlsFile } from "../support/certificates.ts";
import { tempDir } from "../support/temp.ts";
import { LocalSystem, TRANSPORTS } from "./system_local.ts";

/** The body of what a path of the system answers. */
async function get(url: string, path: string, headers: readonly string[] = []): Promise<string> {
  const raw = await NetRaw.at(url);
  const lines = [`GET ${path} HTTP/1.1`, "Host: chat.example:1234", "Connection: close", ...headers];
  raw.write(bytes(lines.join("\r\n") + "\r\n\r\n"));
  await until(() => raw.ended || raw.closed, "the answer");
  raw.destroy();
  return text(raw.received);
}

const domains = (answer: string) =>
  (JSON.parse(answer.slice(answer.indexOf("{"), answer.lastIndexOf("}") + 1))).domains;

function client(local: LocalSystem, url: string, account: string) {
  const heard: string[] = [];
  const made = new PetrelClient({
    url,
    token: () => local.token(account),
    connect: connectWith(runtime.dial, { ca: CA }),
    storage: new MemoryStorage(),
  });
  made.onMessage(({ body }) => void heard.push(body));
  return Object.assign(made, { heard, [Symbol.asyncDispose]: () => made.close() });
}

async function talk(local: LocalSystem): Promise<void> {
  await using ann = client(local, local.ws, "ann");
  await using bob = client(local, local.tcp, "bob");
  await Promise.all([ann.login(), bob.login()]);
  await ann.talk("bob", "over one").done;
  await bob.talk("ann", "and the other").done;
  await until(() => bob.heard.length === 1 && ann.heard.length === 1, "both have heard");
}

test("people talk over TLS on both transports; the certificate is renewed under them", async () => {
  await using dir = await tempDir();
  const files: Partial<DevConfig> = { tlsCert: dir.in("x.crt"), tlsKey: dir.in("x.key") };
  const put = (name: string) => {
    copyFileSync(tlsFile(`${name}.crt`), dir.in("x.crt"));
    copyFileSync(tlsFile(`${name}.key`), dir.in("x.key"));
  };
  put("first");
  await using local = await LocalSystem.start(files);
  expect([local.ws, local.tcp].map((url) => url.split(":")[0])).toEqual(["wss", "tls"]);
  await using early = client(local, local.ws, "early");
  await early.login();
  put("second");
  const since = systemClock.mono();
  await until(() => systemClock.mono() - since > 5_000, "the files were looked at twice", 6_000);
  expect(await shownAt(local.tcp)).toBe("second");
  expect(await shownAt(local.ws)).toBe("second");
  await talk(local);
  await early.talk("bob", "on the old connection").done;
  expect(early.state).toBe("online");
  expect(domains(await get(local.ws, "/api/lookup/any"))).toEqual(["wss://chat.example:1234"]);
  const ready = await get(local.ws, "/ready");
  expect(Number(/"tlsDaysLeft":(\d+)/.exec(ready)?.[1])).toBeGreaterThan(30_000);
  expect(await get(local.ws, "/metrics")).toMatch(/petrel_tls_days_left 3\d{4}\./);
}, 20_000);

test.each(TRANSPORTS)("the load tool's clients log in over TLS on %s", async (transport) => {
  await using local = await LocalSystem.start({ tlsCert: tlsFile("first.crt"), tlsKey: tlsFile("first.key") });
  const client = await local.login(transport, "ann");
  expect(client.account).toBe("ann");
  client.close();
});

test("a client that refuses the certificate says why, once", async () => {
  await using local = await LocalSystem.start({ tlsCert: tlsFile("first.crt"), tlsKey: tlsFile("first.key") });
  const problems: string[] = [];
  const connect = connectWith(runtime.dial, { problem: (message) => void problems.push(message) });
  const codes: number[] = [];
  const events = { opened() {}, packet() {}, closed: (code: number) => void codes.push(code) };
  const twice = [local.tcp, local.tcp, local.ws, local.ws];
  for (const [i, url] of twice.entries()) {
    connect(url, events);
    await until(() => codes.length > i, "it gave up");
  }
  expect(codes).toEqual([1006, 1006, 1006, 1006]);
  expect(problems.length).toBe(2);
  expect(problems[0]).toMatch(/^Cannot dial tls:.*: its certificate is refused: /);
  expect(problems[1]).toMatch(/^Cannot dial wss:.*: its certificate is refused: /);
});

test("a client at a port for another protocol is told so", async () => {
  await using local = await LocalSystem.start({});
  const problems: string[] = [];
  const connect = connectWith(runtime.dial, { problem: (message) => void problems.push(message) });
  const lost = new PetrelClient({ url: local.ws.replace("ws:", "tcp:"), token: local.token("ann"), connect });
  await expect(lost.login()).rejects.toThrow("too large");
  expect(problems).toEqual([expect.stringMatching(/^tcp:.* does not speak this protocol: is it the port for HTTP/)]);
});

test("a name that stands for no address is refused by name", async () => {
  const http = { hostname: "nowhere.invalid", port: 0 };
  const start = LocalSystem.start({ http }).then((local) => local[Symbol.asyncDispose]());
  await expect(start).rejects.toThrow(/^Cannot listen on nowhere\.invalid port \d+: this machine has no such address/);
});

test("people talk over unix sockets, which no limit per address counts", async () => {
  await using dir = await tempDir();
  const at = (name: string) => ({ hostname: "", port: 0, unix: dir.in(name) });
  await using local = await LocalSystem.start({ http: at("http.sock"), tcp: at("tcp.sock"), connectionsPerIp: 1 });
  await talk(local);
});

test("behind a trusted proxy a limit per address counts clients, and links are https", async () => {
  await using local = await LocalSystem.start({ connectionsPerIp: 1, trustedProxies: parseIpRanges("127.0.0.1")! });
  const upgrade = async (headers: readonly string[]) => {
    const raw = await NetRaw.at(local.ws);
    return { raw, head: await raw.handshake(undefined, headers) };
  };
  const first = await upgrade(["X-Forwarded-For: 6.6.6.6, 203.0.113.1"]);
  const second = await upgrade(["X-Forwarded-For: 203.0.113.2"]);
  const again = await upgrade(["X-Forwarded-For: 7.7.7.7, 203.0.113.1"]);
  expect([first, second, again].map(({ head }) => head.split(" ")[1])).toEqual(["101", "101", "503"]);
  for (const { raw } of [first, second, again]) raw.destroy();
  const answer = await get(local.ws, "/api/lookup/x", ["X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https"]);
  expect(domains(answer)).toEqual(["wss://chat.example:1234"]);
});

test("the router tells configured addresses", async () => {
  await using local = await LocalSystem.start({ domain: ["wss://chat.example", "tls://chat.example:8001"] });
  const answer = await get(local.ws, "/api/lookup/x");
  expect(domains(answer)).toEqual(["wss://chat.example", "tls://chat.example:8001"]);
  expect(answer.toLowerCase()).toContain("access-control-allow-origin: *");
});

/** The name in the certificate that a new connection is shown. */
function shownAt(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const stream = connect({ host: "127.0.0.1", port: Number(/:(\d+)/.exec(url)![1]), ca: CA }, () => {
      resolve(String(stream.getPeerCertificate().subject.CN));
      stream.destroy();
    });
    stream.on("error", reject);
  });
}
