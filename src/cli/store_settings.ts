import { parseIpRanges } from "../comm/ip_range.ts";
import { LOG_LEVELS } from "./log.ts";
import { oneOf, setting, wholeNumber } from "./setting.ts";

/** What an address to listen at looks like. */
export const ADDRESS = "host:port, IPv6 in brackets: [::1]:8000, or unix:/path";
/** Without one of the two nobody could ask. */
export const WHO_MAY_ASK = "it needs PETREL_CLUSTER_SECRET, or PETREL_KIM_PEERS, or nobody may ask it";

/** The settings of every process that keeps messages. */
export const STORE_SETTINGS = {
  data: setting(
    { value: "folder", preset: "./data", help: "Messages and the token secret made for development" },
    "a folder",
    (text) => text || undefined,
  ),
  sync: setting(
    {
      value: "full|normal",
      preset: "full",
      help: "full: an answer means synced to disk; normal: committed only, a power cut may take the last ones",
    },
    "full or normal",
    oneOf(["full", "normal"]),
  ),
  databaseUrl: setting(
    {
      value: "url",
      secret: true,
      help: "postgres://user:password@host/database; without it SQLite in the data folder",
    },
    "postgres://user:password@host/database",
    (text) => /^postgres(ql)?:\/\/./.test(text) && URL.canParse(text) ? text : undefined,
  ),
  node: setting(
    { value: "number", preset: "0", help: "Node number in message ids, 0 to 1023; no two processes share one" },
    "a whole number from 0 to 1023",
    wholeNumber(0, 1023),
  ),
  inboxGroup: setting(
    { value: "number", preset: "500", help: "Groups with more members are large: their messages get no inbox rows" },
    "a whole number from 1 to 2000",
    wholeNumber(1, 2_000),
  ),
  retentionDays: setting(
    { value: "days", preset: "0", help: "Messages older than that are removed; 0: none ever" },
    "a whole number of days from 0 to 36500",
    wholeNumber(0, 36_500),
  ),
  clusterSecret: setting(
    { value: "text", secret: true, help: "Signs requests between processes of ours (HMAC-SHA256)" },
    "a secret that is not empty",
    (text) => text || undefined,
  ),
  kimPeers: setting(
    { value: "list", help: "Addresses that need no signature: KIM's chat servers, e.g. 10.0.0.0/8" },
    "addresses like 10.0.0.1, ranges like 10.0.0.0/8 or fd00::/8, or unix, joined by commas",
    parseIpRanges,
  ),
  log: setting(
    { value: "level", preset: "info", help: `What is logged: ${LOG_LEVELS.join(", ")}` },
    `one of ${LOG_LEVELS.join(", ")}`,
    oneOf(LOG_LEVELS),
  ),
  fault: setting(
    { value: "place=action", help: "Makes the process fail at a named place; for tests" },
    "",
    (text) => text,
  ),
} as const;
