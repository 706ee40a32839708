import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import process from "node:process";
import * as runtime from "#runtime";
import { systemClock } from "../base/clock.ts";
import type { ListenAt } from "../comm/ports.ts";
import { makeToken } from "../protocol/claims.ts";
import manifest from "../../package.json" with { type: "json" };
import { banner, petrelCommand } from "./banner.ts";
import { DevSettings, isOpen } from "./dev_settings.ts";
import { startDev, startProblem } from "./dev_system.ts";
import { isLoopback } from "./host_port.ts";
import { openLog } from "./log.ts";
import { messagesAt } from "./messages_at.ts";
import { keepSecret } from "./secret.ts";
import { readSettings } from "./settings.ts";
import { settingsHelp } from "./settings_help.ts";
import { stopSignal } from "./stop_signal.ts";

const HELP = `petrel dev: everything in one process

Starts a gateway (WebSocket and TCP), a chat server and a message store on SQLite, prints two ready tokens and two
commands to paste, and runs until Ctrl-C.

Usage: petrel dev [options]

`;
const TOKEN_DAYS = 30;
/** Do we run from the npm package? */
const INSTALLED = /[\\/]node_modules[\\/]/.test(import.meta.url);

/** `petrel dev`. Gives the exit code: 0 stopped, 1 failed, 2 the settings are wrong. */
export async function devMain(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    console.log(HELP + settingsHelp(DevSettings));
    return 0;
  }
  const read = readSettings(DevSettings, args, process.env, (path) => readFileSync(path, "utf8"));
  if ("problems" in read) {
    for (const problem of read.problems) console.error(problem);
    console.error("petrel dev --help lists all settings");
    return 2;
  }
  const { settings } = read;
  const startedMs = systemClock.mono();
  const log = openLog({ level: settings.log });
  const demo = settings.demo === "on" ||
    settings.demo === "auto" && isLoopback(settings.http.hostname) && settings.trustedProxies === undefined;
  let system;
  try {
    const secret = settings.tokenSecret ?? keepSecret(settings.data, runtime.randomBytes, isOpen(settings));
    system = await startDev({ ...settings, database: settings.databaseUrl, secret, demo }, runtime, log);
  } catch (thrown) {
    console.error(startProblem(thrown));
    return 1;
  }
  const stop = stopSignal();
  if (settings.log !== "silent") {
    const expires = Math.floor(systemClock.now() / 1000) + TOKEN_DAYS * 24 * 3600;
    const tokens = ["ann", "bob"].map((account) => ({
      account,
      token: makeToken({ acc: account, app: "kim", exp: expires }, system.hmac),
    }));
    const caFlag = isSelfSigned(settings.tlsCert) ? ` --ca ${quoted(settings.tlsCert!)}` : "";
    const facts = {
      version: manifest.version,
      runtime: `${runtime.name} ${runtime.version}`,
      http: reachable(system.http, settings.http),
      ws: reachable(system.ws, settings.http),
      tcp: reachable(system.tcp, settings.tcp),
      unixPath: settings.http.unix && quoted(settings.http.unix),
      messages: messagesAt(settings),
      sync: settings.sync,
      tokens,
      demo,
      command: petrelCommand(runtime.name, process.execPath, INSTALLED),
      startMs: Math.round(systemClock.mono() - startedMs),
      wsFlag: isDefault(settings.http, 8000) && settings.tlsCert === undefined
        ? ""
        : ` --url ${reachable(system.ws, settings.http)}${caFlag}`,
      tcpFlag: ` --url ${reachable(system.tcp, settings.tcp)}${caFlag}`,
      dataFlag: settings.data === "./data" ? "" : ` --data ${quoted(settings.data)}`,
    };
    console.log(banner(facts, process.stdout.isTTY === true && process.env["NO_COLOR"] === undefined));
  }
  const failure = await Promise.race([stop, system.failed]);
  if (failure instanceof Error) {
    // Nothing may be answered any more: the next start reads from the disk what became of the last batch.
    log.error("the message store stopped: ending now", { error: failure });
    return 1;
  }
  await system[Symbol.asyncDispose]();
  return 0;
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

/** A URL that works on this machine: every address is also the local one, and localhost is called so. */
function reachable(url: string, { hostname }: ListenAt): string {
  if (hostname === "localhost") return url.replace(/\/\/(127\.0\.0\.1|\[::1\])(?=:)/, "//localhost");
  return url.replace(/\/\/(0\.0\.0\.0|\[::\])(?=:)/, "//localhost");
}

/** A word for a POSIX shell. */
function quoted(word: string): string {
  return /^[\w./@%+=:,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
