import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Options, type OptionSpec, UsageError } from "./options.ts";
import { pidOfPort } from "./process_stats.ts";
import { startServer } from "./server_process.ts";
import { dayToken } from "./token.ts";
import { parseServerUrl, type ServerUrl } from "./wire_conn.ts";

/** The options that say which server is measured. */
export const TARGET_OPTIONS: readonly OptionSpec[] = [
  {
    name: "url",
    value: "URL",
    many: true,
    help: "ws://host:port/path or tcp://host:port, wss:// or tls:// (ws://127.0.0.1:8000/)",
  },
  { name: "secret", value: "TEXT", help: "HS256 secret for the tokens the tool signs (PETREL_TOKEN_SECRET)" },
  { name: "secret-file", value: "FILE", help: "read the secret from a file, e.g. a dev server's (data/token.secret)" },
  { name: "app", value: "NAME", preset: "kim", help: "app of all accounts" },
  { name: "server", value: "CMD", help: "start this server for the run, with a temporary data directory" },
  { name: "transport", value: "KIND", preset: "ws", help: "with --server: ws, tcp or both" },
  { name: "pid", value: "N", help: "the server's process, for its CPU and memory (else found by its port)" },
];

/** Shell command that starts the dev server beside this tool, on the same runtime; from sources or as a package. */
export const OWN_SERVER = ownCommand("dev");

/** As `OWN_SERVER`, for another command of `petrel`. */
export function ownCommand(name: string): string {
  const here = fileURLToPath(import.meta.url);
  const main = path.join(path.dirname(here), "../cli", `main${path.extname(here)}`);
  const run = "deno" in process.versions ? ["run", "-A"] : [];
  return [process.execPath, ...run, main, name].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
}

/** A server to talk to. Dispose stops it if the tool started it. */
export interface Target extends AsyncDisposable {
  readonly urls: readonly ServerUrl[];
  readonly app: string;
  /** A token for an account, valid for a day. */
  token(account: string): string;
  /** The server's process; undefined with the reason in `pidProblem`. */
  readonly pid: number | undefined;
  readonly pidProblem: string;
  /** Where the server keeps its data, if the tool started it. */
  readonly dataDir: string | undefined;
}

/**
 * `fallback`: the server to start when neither `--server` nor `--url` is given.
 * @throws {UsageError} options that do not fit. @throws {Error} the server does not start.
 */
export async function openTarget(options: Options, fallback?: string): Promise<Target> {
  const app = options.text("app")!;
  const command = options.text("server") ?? (options.texts("url").length === 0 ? fallback : undefined);
  if (command === undefined) {
    const secret = secretOf(options);
    const urls = urlsOf(options.texts("url").length === 0 ? ["ws://127.0.0.1:8000/"] : options.texts("url"));
    const { pid, problem } = findPid(options, urls);
    const token = (account: string) => dayToken(secret, app, account);
    return { urls, app, token, pid, pidProblem: problem, dataDir: undefined, [Symbol.asyncDispose]: async () => {} };
  }
  const secret = options.text("secret") ?? randomBytes(32).toString("hex");
  const server = await startServer({ command, secret });
  const transport = options.text("transport");
  const own = { ws: [server.wsUrl], tcp: [server.tcpUrl], both: [server.wsUrl, server.tcpUrl] }[transport ?? "ws"];
  if (own === undefined) {
    await server[Symbol.asyncDispose]();
    throw new UsageError(`Cannot use --transport ${transport}: expected ws, tcp or both`);
  }
  return {
    urls: urlsOf(options.texts("url").length === 0 ? own : options.texts("url")),
    app,
    token: (account) => dayToken(secret, app, account),
    pid: server.pid,
    pidProblem: "",
    dataDir: server.dataDir,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function urlsOf(texts: readonly string[]): ServerUrl[] {
  try {
    return texts.map(parseServerUrl);
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause });
  }
}

function secretOf(options: Options): string {
  const given = options.text("secret") ?? process.env["PETREL_TOKEN_SECRET"];
  if (given !== undefined) return given;
  const asked = options.text("secret-file");
  const file = asked ?? path.join(process.env["PETREL_DATA"] ?? "data", "token.secret");
  try {
    return fs.readFileSync(file, "utf8").trim();
  } catch (cause) {
    const why = asked === undefined ? `no --secret, and no dev server's ${file}` : `cannot read ${file}`;
    throw new UsageError(`Cannot sign tokens: ${why}`, { cause });
  }
}

function findPid(options: Options, urls: readonly ServerUrl[]): { pid: number | undefined; problem: string } {
  const given = options.maybe("pid", 1);
  if (given !== undefined) return { pid: given, problem: "" };
  const url = urls[0]!;
  if (!/^(127\.|localhost$|::1$)/.test(url.host)) return { pid: undefined, problem: `${url.host} is not this machine` };
  const pid = pidOfPort(url.port);
  return { pid, problem: pid === undefined ? `/proc shows no process listening on port ${url.port}` : "" };
}
