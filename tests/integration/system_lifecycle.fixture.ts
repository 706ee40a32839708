/**
 * Run by system_lifecycle.test.ts: the whole system starts and stops twice in this process, then nothing is left that
 * would keep the process alive. It never calls exit. Argument: an empty folder.
 */
import net from "node:net";
import process from "node:process";
import * as runtime from "#runtime";
import { silent } from "../../src/base/logger.ts";
import { type DevConfig, type DevSystem, startDev } from "../../src/cli/dev_system.ts";
import { dayToken } from "../../src/load/token.ts";
import { WireClient } from "../../src/load/wire_client.ts";
import { descriptors, leaked } from "../support/descriptors.ts";

const SECRET = "a secret of the tests, thirty-two bytes";
const folder = process.argv[2]!;

/** Both addresses of localhost, as a person starts it. */
function config(http: number, tcp: number): DevConfig {
  return {
    http: { hostname: "localhost", port: http },
    tcp: { hostname: "localhost", port: tcp },
    data: folder,
    sync: "full",
    secret: SECRET,
    serviceId: "gate01",
    node: 0,
    devices: 16,
    messageRate: 0,
    connectionsPerIp: 0,
    origins: ["*"],
    drainMs: 100,
    fault: undefined,
  };
}

const portOf = (url: string) => Number(url.slice(url.lastIndexOf(":") + 1));

/** Talks on both transports, leaves two clients connected, and stops the system under them. */
async function use(system: DevSystem): Promise<{ stored: number; ends: string[] }> {
  const login = (url: string, account: string) => WireClient.login(url, dayToken(SECRET, "kim", account));
  const [ann, bob] = await Promise.all([login(system.ws, "ann"), login(system.tcp, "bob")]);
  const stored = (await bob.inbox.readIndex(0n, true)).length; // by the use before
  await ann.talk("bob", "hello");
  await bob.until(({ messages }) => messages.length === 1);
  await (await fetch(`${system.http}/metrics`)).text();
  await system[Symbol.asyncDispose]();
  return { stored, ends: await Promise.all([ann.ended, bob.ended]) };
}

const first = await startDev(config(0, 0), runtime, silent);
const ports = [portOf(first.http), portOf(first.tcp)] as const;
const uses = [await use(first)];
const before = await descriptors();

// A start that fails half-way, with the folder locked and one port bound, leaves nothing behind either.
const other = net.createServer().listen(ports[1], "127.0.0.1");
await new Promise((resolve) => other.once("listening", resolve));
const refused = await startDev(config(...ports), runtime, silent).then(
  () => "started",
  (error: Error) => error.message,
);
await new Promise((resolve) => other.close(resolve));

uses.push(await use(await startDev(config(...ports), runtime, silent)));
console.log(`result ${JSON.stringify({ uses, refused, leaked: await leaked(before) })}`);
