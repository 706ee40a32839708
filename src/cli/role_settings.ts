import { ApiSettings } from "./api_settings.ts";
import { DevSettings } from "./dev_settings.ts";
import { GatewaySettings } from "./gateway_settings.ts";
import { LogicSettings } from "./logic_settings.ts";
import { RouterSettings } from "./router_settings.ts";
import { RoyalSettings } from "./royal_settings.ts";
import { namedSettings } from "./setting.ts";

/** The settings of each role, by its command. README.md has their table. */
export const ROLE_SETTINGS = {
  dev: DevSettings,
  gateway: GatewaySettings,
  logic: LogicSettings,
  royal: RoyalSettings,
  router: RouterSettings,
  api: ApiSettings,
} as const;

/** Names of all roles' settings: one environment and one file may serve several processes. */
export function everySetting(): { readonly keys: ReadonlySet<string>; readonly variables: ReadonlySet<string> } {
  const all = Object.values(ROLE_SETTINGS).flatMap((schema) => namedSettings(schema));
  return { keys: new Set(all.map(({ key }) => key)), variables: new Set(all.map(({ variable }) => variable)) };
}
