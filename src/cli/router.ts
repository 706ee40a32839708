import * as runtime from "#runtime";
import type { CommandMain } from "./command_main.ts";
import { COUNTRY_DATA_BY } from "./country_database.ts";
import { reachable } from "./reachable.ts";
import { healthUrls, namingAt, roleBanner } from "./role_banner.ts";
import { RouterSettings } from "./router_settings.ts";
import { startRouter } from "./router_system.ts";
import { serverCommand } from "./server_command.ts";

const HELP = `petrel router: which gateway a client uses

Answers GET /api/lookup/<anything> with the URLs of up to three gateways: of the client's country, its region's data
centres (mapping.json and regions.json in PETREL_ROUTES) and what naming knows. Runs until Ctrl-C.

${COUNTRY_DATA_BY}.
`;

/** `petrel router`. */
export const routerMain: CommandMain = serverCommand({
  name: "router",
  help: HELP,
  schema: RouterSettings,
  async start(settings, log) {
    const system = await startRouter(settings, runtime, log);
    const url = reachable(system.url, settings.http);
    return {
      system,
      banner: (startMs) =>
        roleBanner("router", startMs, [
          ["Name", system.id],
          ["Ask", `${url}/api/lookup/<anything>`],
          ["Finds others", namingAt(settings)],
          ["Health", healthUrls(settings.monitor ? reachable(system.monitor, settings.monitor) : url)],
        ]),
    };
  },
});
