import process from "node:process";
import { hmacSha256 } from "#runtime";
import { systemClock } from "../base/clock.ts";
import { makeToken } from "../protocol/claims.ts";
import { isName } from "../protocol/names.ts";
import { flagCommand } from "./flag_command.ts";
import { readSecret } from "./secret.ts";

const FLAGS = [
  { name: "account", value: "name", help: "Whom the token is for" },
  { name: "app", value: "name", help: "Which app", preset: "kim" },
  { name: "days", value: "number", help: "How long it is valid", preset: "1" },
  { name: "secret", value: "text", help: "Signs it; default PETREL_TOKEN_SECRET, then the one in the data folder" },
  { name: "data", value: "folder", help: "Where `petrel dev` keeps its secret; default PETREL_DATA, then ./data" },
] as const;

const HELP = `petrel token: prints a login token

Usage: petrel token --account <name> [options]
`;
const MOST_DAYS = 3650;

/** `petrel token`. Prints the token and nothing else. */
export const tokenMain = flagCommand({
  name: "token",
  help: HELP,
  flags: FLAGS,
  read({ account = "", app = "", days = "", secret, data }, problems) {
    if (account === "") problems.push("--account is missing");
    else if (!isName(account)) problems.push(`--account is ${JSON.stringify(account)}: ${NAME}`);
    if (!isName(app)) problems.push(`--app is ${JSON.stringify(app)}: ${NAME}`);
    if (!(Number(days) > 0 && Number(days) <= MOST_DAYS)) {
      problems.push(`--days is ${JSON.stringify(days)}: expected a number above 0, up to ${MOST_DAYS}`);
    }
    const key = secret ?? findSecret(data);
    if (problems.length === 0 && key === undefined) problems.push(noSecret(data, "--secret"));
    return key === undefined ? undefined : { account, app, days: Number(days), key };
  },
  run({ account, app, days, key }) {
    console.log(signToken(account, app, days, key));
    return Promise.resolve(0);
  },
});

/** What a name has to be, for messages. */
export const NAME = "expected a name: 1 to 60 characters, no spaces, none of , / | :";

/** A token valid for so many days from now. */
export function signToken(account: string, app: string, days: number, secret: string): string {
  const exp = Math.floor(systemClock.now() / 1000 + days * 24 * 3600);
  return makeToken({ acc: account, app, exp }, hmacSha256(secret));
}

/** The secret of PETREL_TOKEN_SECRET, else of the data folder; undefined when there is none. */
export function findSecret(data: string | undefined, env = process.env): string | undefined {
  return env["PETREL_TOKEN_SECRET"] || readSecret(dataFolder(data, env));
}

/** The folder given, else PETREL_DATA, else ./data. */
export function dataFolder(data: string | undefined, env = process.env): string {
  return data ?? (env["PETREL_DATA"] || "./data");
}

/** What to do when `findSecret` finds none. */
export function noSecret(data: string | undefined, flag: string): string {
  return `No token secret in ${dataFolder(data)}: start \`petrel dev\` first, or give ${flag} or PETREL_TOKEN_SECRET`;
}
