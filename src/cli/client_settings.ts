import { setting, wholeNumber } from "./setting.ts";
import { ORIGINS, text, TRUSTED_PROXIES } from "./shared_settings.ts";
import { TLS_SETTINGS } from "./tls_settings.ts";

/** A client is told no more gateways. */
const MOST_URLS = 3;

/** The settings of a process that clients connect to, with the limits it has unless told otherwise. */
export function clientSettings(presets: { messageRate: string; connectionsPerIp: string; drainMs: string }) {
  const { messageRate, connectionsPerIp, drainMs } = presets;
  return {
    ...TLS_SETTINGS,
    trustedProxies: TRUSTED_PROXIES,
    domain: setting(
      {
        value: "list",
        help: "Up to three URLs that clients are told, best first: wss://chat.example,tls://chat.example:8001",
      },
      "up to three URLs like wss://chat.example or tls://chat.example:8001, joined by commas",
      parseClientUrls,
    ),
    messageRate: setting(
      {
        value: "number",
        preset: messageRate,
        help: "Requests per second and account, three times that in a burst; 0: no limit",
      },
      "a whole number, 0 for no limit",
      wholeNumber(0, 1_000_000),
    ),
    connectionsPerIp: setting(
      { value: "number", preset: connectionsPerIp, help: "Connections per client address; 0: no limit" },
      "a whole number, 0 for no limit",
      wholeNumber(0, 1_000_000),
    ),
    origins: ORIGINS,
    drainMs: setting(
      { value: "ms", preset: drainMs, help: "At a stop, clients are asked to leave spread over this time" },
      "a whole number from 0 to 600000",
      wholeNumber(0, 600_000),
    ),
  } as const;
}

export const DEVICES = setting(
  { value: "number", preset: "16", help: "Devices of one account online at once; 1 is KIM's rule" },
  "a whole number from 1 to 1000",
  wholeNumber(1, 1000),
);

export function tokenSecret(without: string) {
  return setting(
    { value: "text", secret: true, help: `Signs and checks login tokens (HS256). ${without}` },
    "a secret that is not empty",
    text,
  );
}

function parseClientUrls(given: string): readonly string[] | undefined {
  const urls = given.split(",").map((one) => one.trim());
  return urls.length <= MOST_URLS && urls.every(isClientUrl) ? urls : undefined;
}

function isClientUrl(url: string): boolean {
  return /^(wss?|tcp|tls):\/\/[^\s/]/.test(url) && URL.canParse(url);
}
