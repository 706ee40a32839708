import * as runtime from "#runtime";
import type { CommandMain } from "./command_main.ts";
import { messagesAt } from "./messages_at.ts";
import { reachable } from "./reachable.ts";
import { healthUrls, namingAt, roleBanner } from "./role_banner.ts";
import { RoyalSettings } from "./royal_settings.ts";
import { startRoyal } from "./royal_system.ts";
import { serverCommand } from "./server_command.ts";

const HELP = `petrel royal: the message and group store by itself

Answers chat servers over HTTP: ours (PETREL_ROYAL_URL there, PETREL_CLUSTER_SECRET on both sides) and KIM's
(PETREL_KIM_PEERS). Keeps messages in SQLite, or in PostgreSQL with PETREL_DATABASE_URL. Runs until Ctrl-C.
`;

/** `petrel royal`. */
export const royalMain: CommandMain = serverCommand({
  name: "royal",
  help: HELP,
  schema: RoyalSettings,
  async start(settings, log) {
    const { clusterSecret, kimPeers, databaseUrl, sync, monitor } = settings;
    const system = await startRoyal({ ...settings, database: databaseUrl }, runtime, log);
    const url = reachable(system.url, settings.royal);
    const peers = kimPeers === undefined ? "" : clusterSecret === undefined ? "listed" : " or listed";
    const isUnsynced = databaseUrl === undefined && sync === "normal";
    return {
      system,
      banner: (startMs) =>
        roleBanner("royal", startMs, [
          ["Store", url],
          ["Messages", messagesAt(settings)],
          ["May ask", `${clusterSecret === undefined ? "" : "signed requests"}${peers && `${peers} addresses`}`],
          ["Promise", isUnsynced ? "Success means committed, not synced: a power cut may take the last messages" : ""],
          ["Finds others", namingAt(settings)],
          ["Health", healthUrls(monitor ? reachable(system.monitor, monitor) : url)],
        ]),
    };
  },
});
