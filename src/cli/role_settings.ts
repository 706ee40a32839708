import { DevSettings } from "./dev_settings.ts";
import { RoyalSettings } from "./royal_settings.ts";
import { namedSettings } from "./setting.ts";

/** The settings of each role, by its command. README.md has their table. */
export const ROLE_SETTINGS = { dev: DevSettings, royal: RoyalSettings } as const;

/** Names of all roles' settings: one environment and one file may serve several processes. */
export function everySetting(): { readonly keys: ReadonlySet<string>; readonly variables: ReadonlySet<string> } {
  const all = Object.values(ROLE_SETTINGS).flatMap((schema) => namedSettings(schema));
  return { keys: new Set(all.map(({ key }) => key)), variables: new Set(all.map(({ variable }) => variable)) };
}
