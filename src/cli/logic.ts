import * as runtime from "#runtime";
import type { CommandMain } from "./command_main.ts";
import { LogicSettings } from "./logic_settings.ts";
import { startLogic } from "./logic_system.ts";
import { messagesAt } from "./messages_at.ts";
import { reachable } from "./reachable.ts";
import { healthUrls, namingAt, roleBanner } from "./role_banner.ts";
import { serverCommand } from "./server_command.ts";

const HELP = `petrel logic: a chat server

Answers what clients ask: gateways find it by naming and link to it. Messages are kept by petrel royal (PETREL_ROYAL_URL) or
in PostgreSQL (PETREL_DATABASE_URL), sessions in Upstash Redis. Runs until Ctrl-C: then its gateways are asked to leave
first.
`;

/** `petrel logic`. */
export const logicMain: CommandMain = serverCommand({
  name: "logic",
  help: HELP,
  schema: LogicSettings,
  async start(settings, log) {
    const system = await startLogic({ ...settings, database: settings.databaseUrl }, runtime, log);
    return {
      system,
      banner: (startMs) =>
        roleBanner("logic", startMs, [
          ["Name", system.id],
          ["Links", reachable(system.link, settings.link)],
          ["Zone", settings.zone],
          ["Messages", messagesAt({ ...settings, data: "" })],
          ["Finds others", namingAt(settings)],
          ["Health", healthUrls(reachable(system.monitor, settings.monitor))],
        ]),
    };
  },
});
