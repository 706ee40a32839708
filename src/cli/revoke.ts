import { existsSync, readFileSync } from "node:fs";
import { systemClock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import { isName } from "../protocol/names.ts";
import { type Revocation, revocationKey } from "../session/revocations.ts";
import { flagCommand } from "./flag_command.ts";
import type { FlagValues } from "./flags.ts";
import { changeRevocations, readRevocations, revocationFile, tokenHash } from "./revocation_file.ts";
import { dataFolder, NAME } from "./token.ts";

const FLAGS = [
  { name: "token", value: "token", help: "This login token, until it expires; - reads it from standard input" },
  { name: "account", value: "name", help: "This account, whatever its tokens, until a time" },
  { name: "app", value: "name", help: "The account's app", preset: "kim" },
  { name: "for", value: "time", help: "How long the account is refused: 90s, 15m, 1h, 7d" },
  { name: "until", value: "time", help: "Or until when: 2026-12-24T18:00:00Z, or Unix seconds" },
  { name: "undo", help: "The token or account given is let in again" },
  { name: "list", help: "Prints what is revoked now" },
  { name: "data", value: "folder", help: "Where the server keeps its data; default PETREL_DATA, then ./data" },
] as const;

const HELP = `petrel revoke: lets a token, or an account for a time, in no more

Logins are refused and open connections closed (4508) within 5 s by every server that runs on the data folder; what is
over is forgotten. A token's own text is not kept, only its SHA-256, which may stand in its place with --undo.

Usage: petrel revoke --token <token>
       petrel revoke --account <name> --for <time>
       petrel revoke --list
`;
const MOST_SECONDS = 10 * 366 * 24 * 3600;
const UNITS = { s: 1, m: 60, h: 3600, d: 24 * 3600 } as const;

type Values = FlagValues<(typeof FLAGS)[number]>;

/** `petrel revoke`. Gives the exit code: 0 done, 1 the file cannot be used, 2 the options cannot. */
export const revokeMain = flagCommand({
  name: "revoke",
  help: HELP,
  flags: FLAGS,
  read(values, problems) {
    const now = systemClock.now() / 1000;
    const folder = dataFolder(values.data);
    if (!existsSync(folder)) problems.push(`No data folder ${folder}: give --data`);
    const asked = problems.length === 0 && !values.list ? readAsked(values, now, problems) : undefined;
    if (values.list && (values.token ?? values.account) !== undefined) problems.push("--list goes alone");
    return { file: revocationFile(folder), asked, isUndo: values.undo !== undefined, now };
  },
  run({ file, asked, isUndo, now }) {
    try {
      if (!asked) list(readRevocations(file), now);
      else if (isUndo) return Promise.resolve(undo(file, asked, now));
      else {
        const key = revocationKey(asked);
        changeRevocations(file, systemClock, (all) => [...without(all, key, now), asked]);
        console.log(`Revoked: ${said(asked)}. Servers notice within 5 s.`);
      }
      return Promise.resolve(0);
    } catch (thrown) {
      console.error(ImError.from(thrown).message);
      return Promise.resolve(1);
    }
  },
});

/** What is to be revoked, or no longer; undefined with a problem. */
function readAsked(values: Values, now: number, problems: string[]): Revocation | undefined {
  const { token, account, app = "", undo } = values;
  const times = [values.for, values.until].filter((time) => time !== undefined);
  if ((token === undefined) === (account === undefined)) {
    problems.push("Give one of --token, --account and --list");
    return undefined;
  }
  if (token !== undefined) {
    if (times.length > 0) problems.push("--for and --until are for accounts: a token is refused until it expires");
    return readToken(token === "-" ? readFileSync(0, "utf8").trim() : token, undo !== undefined, now, problems);
  }
  if (!isName(account!)) problems.push(`--account is ${JSON.stringify(account)}: ${NAME}`);
  if (!isName(app)) problems.push(`--app is ${JSON.stringify(app)}: ${NAME}`);
  if (undo) {
    if (times.length > 0) problems.push("--undo takes no time");
    return { app, account: account!, until: 0 };
  }
  if (times.length !== 1) problems.push("Say how long: --for or --until");
  const until = values.for !== undefined ? readFor(values.for, now) : readUntil(values.until ?? "");
  if (times.length === 1 && !(until > now && until <= now + MOST_SECONDS)) {
    const [flag, like] = values.for !== undefined ? ["--for", "1h or 7d"] : ["--until", "2026-12-24T18:00:00Z"];
    problems.push(`${flag} is ${JSON.stringify(times[0])}: expected a time in the next ten years, like ${like}`);
  }
  return { app, account: account!, until };
}

/** The signature is not checked: refusing what no server takes is harmless. */
function readToken(token: string, undo: boolean, now: number, problems: string[]): Revocation | undefined {
  if (undo && /^[0-9a-f]{64}$/.test(token)) return { token, until: 0 };
  const until = expiry(token);
  if (until === undefined) problems.push("--token is no login token");
  else if (until <= now && !undo) problems.push("The token has expired already");
  return until === undefined ? undefined : { token: tokenHash(token), until };
}

/** The Unix second at which a token expires; undefined: it is none. */
function expiry(token: string): number | undefined {
  try {
    const [, claims = "", signature] = token.split(".");
    const exp: unknown = JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(claims, { alphabet: "base64url" })))
      ?.exp;
    return typeof exp === "number" && Number.isFinite(exp) && signature ? Math.ceil(exp) : undefined;
  } catch {
    return undefined; // neither base64url nor JSON: no token
  }
}

/** NaN when it is no such text. */
function readFor(text: string, now: number): number {
  const match = /^([1-9]\d{0,8})([smhd])$/.exec(text);
  return match ? Math.ceil(now + Number(match[1]) * UNITS[match[2] as keyof typeof UNITS]) : NaN;
}

function readUntil(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Math.ceil(Date.parse(text) / 1000);
}

function undo(file: string, asked: Revocation, now: number): number {
  const key = revocationKey(asked);
  if (!readRevocations(file).some((one) => revocationKey(one) === key && one.until > now)) {
    console.error(`Not revoked: ${named(asked)}`);
    return 1;
  }
  changeRevocations(file, systemClock, (all) => without(all, key, now));
  console.log(`Let in again: ${named(asked)}. Servers notice within 5 s.`);
  return 0;
}

function without(all: readonly Revocation[], key: string, now: number): Revocation[] {
  return all.filter((one) => revocationKey(one) !== key && one.until > now);
}

function list(all: readonly Revocation[], now: number): void {
  const left = all.filter((one) => one.until > now);
  for (const one of left) console.log(said(one));
  if (left.length === 0) console.log("Nothing is revoked");
}

function said(one: Revocation): string {
  return `${named(one)}, until ${new Date(one.until * 1000).toISOString().replace(".000", "")}`;
}

function named(one: Revocation): string {
  return "token" in one ? `token with SHA-256 ${one.token}` : `account ${one.account} of app ${one.app}`;
}
