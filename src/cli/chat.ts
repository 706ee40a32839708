import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import process from "node:process";
import { dial } from "#runtime";
import { systemClock } from "../base/clock.ts";
import { ImError, reasonOf } from "../base/errors.ts";
import { isName } from "../protocol/names.ts";
import { PetrelClient } from "../sdk/client.ts";
import { MemoryStorage } from "../sdk/storage.ts";
import { ChatGroups } from "./chat_groups.ts";
import { ChatLines, COLORS, PLAIN, type Where } from "./chat_line.ts";
import { chatPipe } from "./chat_pipe.ts";
import { chatFile, FileStorage } from "./chat_storage.ts";
import { chatTerminal } from "./chat_terminal.ts";
import { connectWith } from "./connect.ts";
import { flagCommand } from "./flag_command.ts";
import type { FlagValues } from "./flags.ts";
import { dataFolder, findSecret, NAME, noSecret, signToken } from "./token.ts";

const FLAGS = [
  { name: "as", value: "account", help: "Who you are" },
  { name: "to", value: "account", help: "Whom you talk to" },
  { name: "group", value: "id", help: "Which group you talk in, in place of --to" },
  {
    name: "url",
    value: "url",
    help: "ws://, wss://, tcp:// or tls://; several joined by commas are tried in turn",
    preset: "ws://localhost:8000",
  },
  { name: "token", value: "token", help: "Your login token; without one it is made with the secret of `petrel dev`" },
  { name: "ca", value: "file", help: "Certificates (PEM) that sign the server's, in place of the usual authorities" },
  { name: "app", value: "name", help: "Which app", preset: "kim" },
  {
    name: "device",
    value: "name",
    help: "One chat per device name; another one takes over; default terminal, for piped input pipe",
  },
  { name: "data", value: "folder", help: "Secret of `petrel dev`, and your place; default PETREL_DATA, then ./data" },
] as const;

const HELP = `petrel chat: chats in the terminal

Shows what came while you were away, then goes on. Input that is piped in is sent line by line, as a device of its own:
the exit code is 0 when everything is stored on the server; without a server it waits for one.

Usage: petrel chat --as <account> --to <account> [options]
       petrel chat --as <account> --group <id> [options]

In the chat /help lists commands: for groups, for what is unread, for what was said before.
`;

interface ChatOptions {
  readonly as: string;
  readonly where: Where;
  readonly urls: readonly string[];
  readonly token: string | undefined;
  /** PEM. */
  readonly ca: string | undefined;
  readonly app: string;
  readonly device: string;
  readonly data: string;
}

/** `petrel chat`. Gives the exit code: 0 left, 1 failed, 2 the command line cannot be used. */
export const chatMain = flagCommand({ name: "chat", help: HELP, flags: FLAGS, read: optionsOf, run });

async function run(options: ChatOptions): Promise<number> {
  const { as, where, urls, app, device, data } = options;
  const terminal = isTerminal();
  let note: (text: string) => void = console.error;
  const client = new PetrelClient({
    url: urls,
    token: options.token ?? (() => freshToken(options)),
    device,
    connect: connectWith(dial, { ca: options.ca, problem: (text) => note(text) }),
    // A pipe keeps no place: it only sends, and the terminal's inbox is left alone.
    storage: terminal ? new FileStorage(chatFile(data, app, as, device), true) : new MemoryStorage(),
  });
  const colors = process.stdout.isTTY === true && process.env["NO_COLOR"] === undefined;
  const columns = () => terminal ? process.stdout.columns || 80 : Infinity;
  const groups = new ChatGroups(client);
  const lines = new ChatLines(as, colors ? COLORS : PLAIN, systemClock, columns, (at) => groups.title(at));
  if (terminal) {
    const { stdin: input, stdout: output } = process;
    return await chatTerminal(client, where, lines, groups, { input, output }, systemClock, (print) => note = print);
  }
  return await chatPipe(client, where, lines, process.stdin, { line: console.log, note: console.error });
}

function isTerminal(): boolean {
  return process.stdin.isTTY === true && process.stdout.isTTY === true;
}

/** Whose token it is; undefined when it is no token. The server checks it; this is to notice mix-ups. */
function claimsOf(token: string): { acc?: unknown; app?: unknown } | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    return typeof claims === "object" && claims !== null ? claims : undefined;
  } catch { // not a token: the server will say so
    return undefined;
  }
}

function readCa(path: string | undefined, problems: string[]): string | undefined {
  if (path === undefined) return undefined;
  try {
    const pem = readFileSync(path, "utf8");
    if (pem.includes("-----BEGIN CERTIFICATE-----")) return pem;
    problems.push(`--ca is ${JSON.stringify(path)}: there is no certificate (PEM) in it`);
  } catch (thrown) {
    problems.push(`--ca is ${JSON.stringify(path)}: ${reasonOf(thrown)}`);
  }
  return undefined;
}

/** Made for every login, from the secret as it is then: a server that was set up anew has another. */
function freshToken({ as, app, data }: ChatOptions): string {
  const secret = findSecret(data);
  if (secret === undefined) throw new ImError("UNAUTHORIZED", noSecret(data, "--token"));
  return signToken(as, app, 1, secret);
}

function optionsOf(values: FlagValues<(typeof FLAGS)[number]>, problems: string[]): ChatOptions {
  const { as = "", to, group, url = "", token, app = "", data } = values;
  const peer = to ?? group ?? "";
  const device = values.device ?? (isTerminal() ? "terminal" : "pipe");
  if (to !== undefined && group !== undefined) problems.push("--to and --group: give one of them");
  const dest = group === undefined ? "to" : "group";
  for (const [flag, name] of [["as", as], [dest, peer], ["app", app], ["device", device]] as const) {
    if (name === "") problems.push(`--${flag === "to" ? "to or --group" : flag} is missing`);
    else if (!isName(name)) problems.push(`--${flag} is ${JSON.stringify(name)}: ${NAME}`);
  }
  const urls = url.split(",").map((one) => one.trim());
  for (const one of urls) {
    if (!/^((wss?|tcp|tls):\/\/|(ws|tcp)\+unix:\/)./.test(one) || !URL.canParse(one)) {
      const kinds = "ws://host:port, wss://host, tcp://host:port or tls://host:port";
      problems.push(`--url is ${JSON.stringify(one)}: expected ${kinds}`);
    }
  }
  const ca = readCa(values.ca, problems);
  const claims = token === undefined ? undefined : claimsOf(token);
  if (claims && (claims.acc !== as || claims.app !== app)) {
    problems.push(`--token is for ${String(claims.acc)} in app ${String(claims.app)}, not for ${as} in app ${app}`);
  }
  if (problems.length === 0 && token === undefined && findSecret(data) === undefined) {
    problems.push(noSecret(data, "--token"));
  }
  const where = { peer, group: group !== undefined };
  return { as, where, urls, token, ca, app, device, data: dataFolder(data) };
}
