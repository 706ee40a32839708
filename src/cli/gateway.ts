import * as runtime from "#runtime";
import type { CommandMain } from "./command_main.ts";
import { GatewaySettings } from "./gateway_settings.ts";
import { startGateway } from "./gateway_system.ts";
import { reachable } from "./reachable.ts";
import { healthUrls, namingAt, roleBanner } from "./role_banner.ts";
import { serverCommand } from "./server_command.ts";

const HELP = `petrel gateway: client connections

Clients connect here over WebSocket and TCP; what they ask goes to chat servers, which are found by naming and linked.
It keeps no user data. Runs until Ctrl-C: then clients are asked, one after the other, to connect elsewhere.
`;

/** `petrel gateway`. */
export const gatewayMain: CommandMain = serverCommand({
  name: "gateway",
  help: HELP,
  schema: GatewaySettings,
  async start(settings, log) {
    const { http, tcp, monitor } = settings;
    const demo = settings.demo === "on";
    const secret = settings.tokenSecret!; // checked by the schema
    const system = await startGateway({ ...settings, secret, demo }, runtime, log);
    const at = (url: string | undefined, address: typeof http): string | undefined =>
      url === undefined || address === "off" ? undefined : reachable(url, address);
    return {
      system,
      banner: (startMs) =>
        roleBanner("gateway", startMs, [
          ["Name", system.id],
          ["WebSocket", at(system.http, http)?.replace(/^http/, "ws")],
          ["TCP", at(system.tcp, tcp)],
          ["Finds others", namingAt(settings)],
          ["Health", healthUrls(reachable(system.monitor, monitor))],
        ]),
    };
  },
});
