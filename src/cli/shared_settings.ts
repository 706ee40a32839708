import { parseIpRanges } from "../comm/ip_range.ts";
import { isName } from "../protocol/names.ts";
import { LOG_LEVELS } from "./log.ts";
import { oneOf, setting } from "./setting.ts";

/** What an address to listen at looks like. */
export const ADDRESS = "host:port, IPv6 in brackets: [::1]:8000, or unix:/path";
export const NAME = "a name: 1 to 60 characters, no spaces, none of , / | :";

export const text = (given: string): string | undefined => given || undefined;
export const name = (given: string): string | undefined => isName(given) ? given : undefined;

/** What every process is told. */
export const PROCESS_SETTINGS = {
  log: setting(
    { value: "level", preset: "info", help: `What is logged: ${LOG_LEVELS.join(", ")}` },
    `one of ${LOG_LEVELS.join(", ")}`,
    oneOf(LOG_LEVELS),
  ),
  fault: setting(
    { value: "place=action", help: "Makes the process fail at a named place; for tests" },
    "",
    (given) => given,
  ),
} as const;

export const DATA = setting(
  {
    value: "folder",
    preset: "./data",
    help: "Kept here: messages in SQLite, secrets made for development, the list of who is let in no more",
  },
  "a folder",
  text,
);

export const CLUSTER_SECRET = setting(
  { value: "text", secret: true, help: "Signs what our processes say to each other (HMAC-SHA256)" },
  "a secret that is not empty",
  text,
);

export const API_KEY = setting(
  { value: "text", secret: true, help: "Who has it may use the HTTP API, as every account of every app" },
  "a key that is not empty",
  text,
);

export const KIM_PEERS = setting(
  { value: "list", help: "Addresses that need no signature: KIM's chat servers and gateways, e.g. 10.0.0.0/8" },
  "addresses like 10.0.0.1, ranges like 10.0.0.0/8 or fd00::/8, or unix, joined by commas",
  parseIpRanges,
);

export const TRUSTED_PROXIES = setting(
  {
    value: "list",
    help: "Proxies whose X-Forwarded-For is believed and that send a PROXY header on TCP: addresses, ranges, unix",
  },
  "addresses like 10.0.0.1, ranges like 10.0.0.0/8 or fd00::/8, or unix, joined by commas",
  parseIpRanges,
);

export const ORIGINS = setting(
  { value: "list", preset: "*", help: "Origins whose pages may connect, e.g. https://a.example,https://b.example" },
  "* or origins like https://a.example, joined by commas",
  parseOrigins,
);

export const ROYAL_URL = setting(
  {
    value: "url",
    help: "Messages are kept by `petrel royal` there, e.g. http://localhost:8080, in place of a store of its own",
  },
  "http://host:port or https://host:port",
  (given) => /^https?:\/\/[^\s/]/.test(given) && URL.canParse(given) ? given : undefined,
);

function parseOrigins(given: string): readonly string[] | undefined {
  const origins = given.split(",").map((origin) => origin.trim().replace(/\/$/, ""));
  return origins.every((one) => one === "*" || URL.canParse(one) && new URL(one).origin === one) ? origins : undefined;
}
