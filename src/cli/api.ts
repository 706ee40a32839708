import * as runtime from "#runtime";
import { ApiSettings } from "./api_settings.ts";
import { startApi } from "./api_system.ts";
import type { CommandMain } from "./command_main.ts";
import { reachable } from "./reachable.ts";
import { healthUrls, namingAt, roleBanner } from "./role_banner.ts";
import { serverCommand } from "./server_command.ts";

const HELP = `petrel api: the HTTP API by itself

Your own servers send messages, make groups and login tokens, and read what was said (src/docs/api.md), with the key
PETREL_API_KEY. What they ask goes to chat servers, which are found by naming and linked. Runs until Ctrl-C.
`;

/** `petrel api`. */
export const apiMain: CommandMain = serverCommand({
  name: "api",
  help: HELP,
  schema: ApiSettings,
  async start(settings, log) {
    const apiKey = settings.apiKey!; // checked by the schema
    const system = await startApi({ ...settings, apiKey, secret: settings.tokenSecret }, runtime, log);
    const url = reachable(system.url, settings.http);
    return {
      system,
      banner: (startMs) =>
        roleBanner("api", startMs, [
          ["Name", system.id],
          ["API", `${url}/api/v1/   described at ${url}/api/v1/openapi.json`],
          ["Finds others", namingAt(settings)],
          ["Health", healthUrls(settings.monitor ? reachable(system.monitor, settings.monitor) : url)],
        ]),
    };
  },
});
