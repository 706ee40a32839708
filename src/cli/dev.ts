import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import process from "node:process";
import * as runtime from "#runtime";
import { systemClock } from "../base/clock.ts";
import type { ListenAt } from "../comm/ports.ts";
import { makeToken } from "../protocol/claims.ts";
import manifest from "../../package.json" with { type: "json" };
import { banner, type BannerFacts, petrelCommand } from "./banner.ts";
import type { CommandMain } from "./command_main.ts";
import { DevSettings, isOpen } from "./dev_settings.ts";
import { type DevSystem, startDev } from "./dev_system.ts";
import { isLoopback } from "./host_port.ts";
import { messagesAt } from "./messages_at.ts";
import { quoted, reachable } from "./reachable.ts";
import { keepSecret } from "./secret.ts";
import { serverCommand } from "./server_command.ts";

const HELP = `petrel dev: everything in one process

Starts a gateway (WebSocket and TCP), a chat server and a message store on SQLite, prints two ready tokens and two
commands to paste, and runs until Ctrl-C.
`;
const TOKEN_DAYS = 30;
/** Do we run from the npm package? */
const INSTALLED = /[\\/]node_modules[\\/]/.test(import.meta.url);

/** `petrel dev`. */
export const devMain: CommandMain = serverCommand({
  name: "dev",
  help: HELP,
  schema: DevSettings,
  async start(settings, log) {
    const demo = settings.demo === "on" ||
      settings.demo === "auto" && isLoopback(settings.http.hostname) && settings.trustedProxies === undefined;
    const secret = settings.tokenSecret ?? keepSecret(settings.data, runtime.randomBytes, isOpen(settings));
    const system = await startDev({ ...settings, database: settings.databaseUrl, secret, demo }, runtime, log);
    return { system, banner: (startMs, colors) => banner(factsOf(settings, system, demo, startMs), colors) };
  },
});

function factsOf(settings: DevSettings, system: DevSystem, demo: boolean, startMs: number): BannerFacts {
  const { http, tcp, tlsCert, data } = settings;
  const exp = Math.floor(systemClock.now() / 1000) + TOKEN_DAYS * 24 * 3600;
  const token = (account: string): string => makeToken({ acc: account, app: "kim", exp }, system.hmac);
  const ws = reachable(system.ws, http);
  const caFlag = isSelfSigned(tlsCert) ? ` --ca ${quoted(tlsCert!)}` : "";
  return {
    version: manifest.version,
    runtime: `${runtime.name} ${runtime.version}`,
    http: reachable(system.http, http),
    ws,
    tcp: reachable(system.tcp, tcp),
    unixPath: http.unix && quoted(http.unix),
    messages: messagesAt(settings),
    sync: settings.sync,
    tokens: ["ann", "bob"].map((account) => ({ account, token: token(account) })),
    demo,
    command: petrelCommand(runtime.name, process.execPath, INSTALLED),
    startMs,
    wsFlag: isDefault(http, 8000) && tlsCert === undefined ? "" : ` --url ${ws}${caFlag}`,
    tcpFlag: ` --url ${reachable(system.tcp, tcp)}${caFlag}`,
    dataFlag: data === "./data" ? "" : ` --data ${quoted(data)}`,
  };
}

/** Such a certificate is its own authority: clients have to be told. */
function isSelfSigned(path: string | undefined): boolean {
  if (path === undefined) return false;
  const { issuer, subject } = new X509Certificate(readFileSync(path));
  return issuer === subject;
}

function isDefault(at: ListenAt, port: number): boolean {
  return at.port === port && at.hostname === "localhost";
}
