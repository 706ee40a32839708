import { oneOf, setting, wholeNumber } from "./setting.ts";

/** Without one of the two nobody could ask. */
export const WHO_MAY_ASK = "it needs PETREL_CLUSTER_SECRET, or PETREL_KIM_PEERS, or nobody may ask it";

/** The settings of every process that keeps messages. */
export const STORE_SETTINGS = {
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
} as const;

const NODE = "a whole number from 0 to 1023";

/** The node number of a process that is the only one of its kind. */
export const NODE_ALONE = setting(
  { value: "number", preset: "0", help: "Node number in message ids, 0 to 1023; no two processes share one" },
  NODE,
  wholeNumber(0, 1023),
);

/** The node number of one process among others. */
export const NODE_AMONG_OTHERS = setting(
  {
    value: "number",
    help: "Node number in message ids, 0 to 1023; without it one is leased from Upstash Redis; SQLite has 0",
  },
  NODE,
  wholeNumber(0, 1023),
);
