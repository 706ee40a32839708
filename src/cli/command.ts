import type { CommandMain } from "./command_main.ts";
import { didYouMean } from "./did_you_mean.ts";
import { overview } from "./help.ts";

/** One thing `petrel` can do. Its code is loaded when it is asked for, so that no command waits for another's. */
export interface CliCommand {
  readonly name: string;
  /** One line for the overview. */
  readonly what: string;
  readonly load: () => Promise<CommandMain>;
}

/** Every command there is; `help` is built in. */
export const CLI_COMMANDS: readonly CliCommand[] = [
  {
    name: "dev",
    what: "Starts everything in one process: gateway, chat server, message store",
    load: async () => (await import("./dev.ts")).devMain,
  },
  {
    name: "cluster",
    what: "Starts every role as processes of their own on this machine, and watches them",
    load: async () => (await import("./cluster/cluster.ts")).clusterMain,
  },
  {
    name: "gateway",
    what: "Starts a gateway: client connections over WebSocket and TCP",
    load: async () => (await import("./gateway.ts")).gatewayMain,
  },
  {
    name: "logic",
    what: "Starts a chat server, which gateways link to",
    load: async () => (await import("./logic.ts")).logicMain,
  },
  {
    name: "royal",
    what: "Starts the message store by itself, for chat servers to ask over HTTP",
    load: async () => (await import("./royal.ts")).royalMain,
  },
  {
    name: "router",
    what: "Starts the router, which tells clients what gateway to use",
    load: async () => (await import("./router.ts")).routerMain,
  },
  {
    name: "api",
    what: "Starts the HTTP API by itself, for your own servers",
    load: async () => (await import("./api.ts")).apiMain,
  },
  {
    name: "upstash",
    what: "Starts Upstash's REST protocol in front of any Redis, for sessions and naming",
    load: async () => (await import("./upstash.ts")).upstashMain,
  },
  {
    name: "migrate",
    what: "Makes the tables of a PostgreSQL database, or brings them up to date",
    load: async () => (await import("./migrate.ts")).migrateMain,
  },
  {
    name: "chat",
    what: "Chats in the terminal, or sends what is piped in",
    load: async () => (await import("./chat.ts")).chatMain,
  },
  {
    name: "group",
    what: "Makes groups and fills them, also large ones",
    load: async () => (await import("./group.ts")).groupMain,
  },
  {
    name: "token",
    what: "Prints a login token",
    load: async () => (await import("./token.ts")).tokenMain,
  },
  {
    name: "revoke",
    what: "Lets a token, or an account for a time, in no more",
    load: async () => (await import("./revoke.ts")).revokeMain,
  },
  {
    name: "load",
    what: "Measures a server, and checks that it loses nothing",
    load: async () => (await import("../load/main.ts")).loadMain,
  },
  {
    name: "version",
    what: "Prints the version",
    load: async () => (await import("./version.ts")).versionMain,
  },
];

const HELP: Omit<CliCommand, "load"> = { name: "help", what: "Prints this text, or the options of a command" };
const HELP_WORDS = ["help", "--help", "-h"];

/** Runs `petrel <args>`; resolves with the exit code. */
export async function runCommand(args: readonly string[], commands = CLI_COMMANDS): Promise<number> {
  const [word, ...rest] = args;
  const all = [...commands, HELP];
  if (word === undefined || (HELP_WORDS.includes(word) && rest[0] === undefined)) {
    console.log(overview(all));
    return word === undefined ? 2 : 0;
  }
  const asked = HELP_WORDS.includes(word);
  const name = asked ? rest[0]! : word === "--version" || word === "-v" ? "version" : word;
  const command = commands.find((one) => one.name === name);
  if (!command) {
    if (name === HELP.name) return runCommand([name], commands);
    const names = all.map((one) => one.name);
    console.error(`petrel: no command ${name}${didYouMean(name, names)}`);
    console.error(`There are ${names.join(", ")}; petrel help says what they do.`);
    return 2;
  }
  const main = await command.load();
  return main(asked ? ["--help"] : rest);
}
