import { readFileSync } from "node:fs";
import process from "node:process";
import { hmacSha256 } from "#runtime";
import { systemClock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import { RoyalStore } from "../message/royal.ts";
import { type SignedRequest, signRequest } from "../message/store_signature.ts";
import { isName } from "../protocol/names.ts";
import { flagCommand } from "./flag_command.ts";
import type { FlagValues } from "./flags.ts";

const FLAGS = [
  { name: "url", value: "url", help: "The store; default PETREL_ROYAL_URL, then http://localhost:8080" },
  { name: "secret", value: "text", help: "Signs the requests; default PETREL_CLUSTER_SECRET" },
  { name: "app", value: "name", help: "Which app", preset: "kim" },
  { name: "group", value: "id", help: "Which group: add, remove, show, members" },
  { name: "owner", value: "name", help: "Whose it is: create" },
  { name: "name", value: "text", help: "What it is called: create" },
  { name: "introduction", value: "text", help: "What it is about: create" },
  { name: "file", value: "file", help: "Accounts, one on a line; - or nothing: standard input. Create, add, remove" },
  { name: "skip", value: "number", help: "Lines of the file that were done before", preset: "0" },
] as const;

type Values = FlagValues<(typeof FLAGS)[number]>;

const HELP = `petrel group: makes groups and fills them, also large ones

Asks a store's HTTP address: that of \`petrel royal\`, or of \`petrel dev\` with PETREL_ROYAL. Accounts are added in
batches; who is in already changes nothing, so a broken run is simply run again.

Usage: petrel group create --owner <name> [--file accounts.txt]
       petrel group add|remove --group <id> [--file accounts.txt]
       petrel group show|members --group <id>
`;
const VERBS = ["create", "add", "remove", "show", "members"] as const;
type Verb = (typeof VERBS)[number];
/** Accounts of one call: a transaction of a few ms. */
const BATCH = 1_000;
/** A call that could not begin in that time is made again. */
const WAIT_MS = 4_000;
/** So often a store that is busy or away is asked: 4 s and a second's pause each. */
const MOST_TRIES = 6;

/** `petrel group`. Exit code: 0 done, 1 the store refused or is not there, 2 the command line cannot be used. */
export function groupMain(args: readonly string[]): Promise<number> {
  const [word = "", ...rest] = args;
  const verb = VERBS.find((one) => one === word);
  const main = flagCommand({
    name: "group",
    help: HELP,
    flags: FLAGS,
    read(values, problems) {
      problems.push(...problemsOf(verb, values));
      return verb && { verb, values };
    },
    run: ask,
  });
  return main(word.startsWith("-") ? args : rest);
}

async function ask({ verb, values }: { readonly verb: Verb; readonly values: Values }): Promise<number> {
  try {
    await using store = openRoyal(values);
    return await run(store, verb, values);
  } catch (thrown) {
    const error = ImError.from(thrown);
    const why = error.cause instanceof Error ? `: ${error.cause.message}` : "";
    console.error(`petrel group ${verb}: ${error.message}${why}`);
    return 1;
  }
}

function problemsOf(verb: Verb | undefined, { group, owner, app = "", skip = "0" }: Values): string[] {
  if (verb === undefined) return [`Expected one of ${VERBS.join(", ")}`];
  const problems: string[] = [];
  if (!isName(app)) problems.push(`--app is ${JSON.stringify(app)}: expected a name`);
  if (verb === "create" ? group !== undefined : group === undefined) {
    problems.push(verb === "create" ? "--group is given by the store" : "--group is missing");
  }
  if (verb === "create" && !isName(owner ?? "")) problems.push("--owner is missing, or is no name");
  if (!/^\d+$/.test(skip)) problems.push(`--skip is ${JSON.stringify(skip)}: expected a whole number`);
  return problems;
}

function openRoyal({ url, secret }: Values): RoyalStore {
  const key = secret ?? process.env["PETREL_CLUSTER_SECRET"];
  const hmac = key ? hmacSha256(key) : undefined;
  const sign = hmac && ((request: SignedRequest) => signRequest(hmac, systemClock.now(), request));
  return new RoyalStore({ url: url ?? (process.env["PETREL_ROYAL_URL"] || "http://localhost:8080"), sign });
}

async function run(store: RoyalStore, verb: Verb, values: Values): Promise<number> {
  const { app = "", group = "" } = values;
  if (verb === "show") {
    const found = await store.group(app, group);
    if (!found) throw new ImError("NO_DESTINATION", `Cannot show ${group}: there is no such group`);
    console.log(JSON.stringify({ ...found, large: found.largeFrom !== undefined }, null, 2));
    return 0;
  }
  if (verb === "members") return await listMembers(store, app, group);
  const accounts = readAccounts(values);
  if (accounts === undefined) return 2;
  if (verb !== "create") return await change(store, verb, app, group, accounts, Number(values.skip));
  const { owner = "", name = "", introduction = "" } = values;
  const startBy = systemClock.mono() + WAIT_MS;
  const made = await store.createGroup({ app, owner, name, avatar: "", introduction, members: [], startBy });
  console.log(made.id);
  return accounts.length === 0 ? 0 : await change(store, "add", app, made.id, accounts, 0);
}

async function listMembers(store: RoyalStore, app: string, group: string): Promise<number> {
  let from: string | undefined;
  do {
    const page = await store.members(app, group, from, BATCH);
    if (page.members.length > 0) console.log(page.members.map(({ account }) => account).join("\n"));
    from = page.next;
  } while (from !== undefined);
  return 0;
}

/** Undefined: something in it is no name, and was said. */
function readAccounts({ file = "-" }: Values): string[] | undefined {
  if (file === "-" && process.stdin.isTTY) return [];
  const lines = readFileSync(file === "-" ? 0 : file, "utf8").split("\n").map((line) => line.trim());
  const wrong = lines.findIndex((line) => line !== "" && !isName(line));
  if (wrong >= 0) {
    console.error(`Line ${wrong + 1} is ${JSON.stringify(lines[wrong]!.slice(0, 60))}: expected a name`);
    return undefined;
  }
  return lines.filter((line) => line !== "");
}

async function change(
  store: RoyalStore,
  verb: "add" | "remove",
  app: string,
  group: string,
  accounts: readonly string[],
  skip: number,
): Promise<number> {
  const verbOfStore = verb === "add" ? "join" : "quit";
  let changed = 0;
  const tell = (done: number) => {
    const line = `${done} of ${accounts.length} accounts, ${changed} ${verb === "add" ? "added" : "removed"}`;
    if (process.stderr.isTTY) process.stderr.write(`\r${line}`);
    else if (done >= accounts.length) console.error(line);
  };
  for (let at = skip; at < accounts.length; at += BATCH) {
    const some = accounts.slice(at, at + BATCH);
    try {
      changed += await patient(async () => {
        const startBy = systemClock.mono() + WAIT_MS;
        return (await store[verbOfStore]({ app, group, accounts: some, by: undefined, startBy })).changed.length;
      });
    } catch (thrown) {
      console.error(`\n${at} of ${accounts.length} accounts are done; go on with --group ${group} --skip ${at}`);
      throw thrown;
    }
    tell(Math.min(at + BATCH, accounts.length));
  }
  if (process.stderr.isTTY) process.stderr.write("\n");
  return 0;
}

/** A store that is busy, or away, is asked again for a while: doing it twice changes nothing. */
async function patient<T>(run: () => Promise<T>): Promise<T> {
  let told = "";
  for (let tries = 1;; tries++) {
    try {
      return await run();
    } catch (thrown) {
      const error = ImError.from(thrown);
      if (error.code !== "BUSY" && error.code !== "SYSTEM" || tries === MOST_TRIES) throw error;
      const why = error.cause instanceof Error ? error.cause.message : error.message;
      if (why !== told) console.error(`\nWaiting for the store: ${told = why}`);
      await new Promise<void>((resolve) => systemClock.after(1_000, resolve));
    }
  }
}
