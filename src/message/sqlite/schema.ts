import { DatabaseSync } from "node:sqlite";
import { ImError, reasonOf } from "../../base/errors.ts";
import type { Peer } from "../conversation_store.ts";

/**
 * The database of a message store.
 *
 * A *log* is a dense sequence 1, 2, 3… that belongs to an account (its inbox) or to a conversation (a pair or a
 * group). `logs` gives each a small integer; `entries` are its rows. The transaction that is answered appends only to
 * `messages`; rows of `entries` and `dedupe` follow in a later one (tail.ts) and until then exist in the writer's
 * memory. What is missing is found again from `messages`, from `meta.floor` on. `conversations` rows of pairs follow
 * together with `entries`.
 *
 * `outbox` is laid out for webhooks.
 */
const SCHEMA = `
CREATE TABLE meta (
  key TEXT PRIMARY KEY,          -- store: names this store; floor: oldest message id with rows missing in entries
  value ANY NOT NULL             -- last_id, last_time: the newest that were given, to a message or anything else
) STRICT, WITHOUT ROWID;

CREATE TABLE logs (
  id INTEGER PRIMARY KEY,
  app TEXT NOT NULL,
  kind INTEGER NOT NULL,         -- 0 account, 1 pair, 2 group
  name TEXT NOT NULL,            -- account; the pair's accounts in order, joined by ","; group id
  epoch INTEGER NOT NULL,        -- id of its first message, a group's id: a log made anew has another
  trimmed INTEGER NOT NULL DEFAULT 0, -- positions up to here were removed
  UNIQUE (app, kind, name)
) STRICT;

CREATE TABLE messages (
  id INTEGER PRIMARY KEY,        -- snowflake: grows with time and with send_time
  conversation INTEGER NOT NULL, -- log
  seq INTEGER NOT NULL,
  sender INTEGER NOT NULL,       -- log
  sender_pos INTEGER NOT NULL,   -- 0: no row, in a large group
  receiver INTEGER,              -- log; NULL for a group
  receiver_pos INTEGER,
  type INTEGER NOT NULL,
  body TEXT NOT NULL,
  extra TEXT NOT NULL,
  send_time INTEGER NOT NULL,    -- Unix ns
  key_scope TEXT,                -- inner-hop key of the request
  key_n INTEGER,
  client_msg_id TEXT,
  fan BLOB                       -- group: (account log u32, position u32) of each member's row; NULL: large (fan.ts)
) STRICT;

CREATE TABLE entries (
  log INTEGER NOT NULL,
  pos INTEGER NOT NULL,          -- user_seq of an account, seq of a conversation
  message INTEGER NOT NULL,
  direction INTEGER NOT NULL,    -- 1: the log's account sent it, else 0
  peer INTEGER NOT NULL,         -- log of the other account; in a group and in a conversation, of the sender
  grp INTEGER,                   -- log of the group
  send_time INTEGER NOT NULL,    -- when the row was made: grows with pos
  sent INTEGER,                  -- send_time of its message, where that is earlier: the row was made when first needed
  PRIMARY KEY (log, pos)
) STRICT, WITHOUT ROWID;
CREATE INDEX made_rows ON entries (message, log) WHERE sent IS NOT NULL;

CREATE TABLE cursors (
  account INTEGER NOT NULL,      -- log
  device TEXT NOT NULL,
  pos INTEGER NOT NULL,          -- read up to here
  PRIMARY KEY (account, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE dedupe (
  account INTEGER NOT NULL,      -- log
  client_msg_id TEXT NOT NULL,
  message INTEGER NOT NULL,
  created INTEGER NOT NULL,      -- ms
  answer BLOB,                   -- what an answer needs of a message that was removed (client_ids.ts)
  PRIMARY KEY (account, client_msg_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
  id INTEGER PRIMARY KEY,        -- message id, or a snowflake of its own
  app TEXT NOT NULL,
  event TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;
`;

const KEYS_SCHEMA = `
CREATE TABLE kept_keys (         -- inner-hop keys of requests whose answers are in no other row (kept_keys.ts)
  at INTEGER NOT NULL,           -- ms
  scope TEXT NOT NULL,
  n INTEGER NOT NULL,
  answer INTEGER NOT NULL DEFAULT 0, -- 0: came again, refused for good; 1, 2: members changed (2: the group became large)
  PRIMARY KEY (at, scope, n)
) STRICT, WITHOUT ROWID;
`;

const GROUP_SCHEMA = `
CREATE TABLE groups (
  id INTEGER PRIMARY KEY,        -- log of kind 2
  name TEXT NOT NULL,
  avatar TEXT NOT NULL,
  introduction TEXT NOT NULL,
  owner INTEGER,                 -- log; NULL: it left
  members INTEGER NOT NULL,      -- how many there are
  large_from INTEGER,            -- from this seq on no rows are written for its members; NULL: not large
  key_scope TEXT,                -- inner-hop key of the request
  key_n INTEGER
) STRICT;

CREATE TABLE group_members (     -- a row each time that an account was in
  grp INTEGER NOT NULL,          -- log
  account INTEGER NOT NULL,      -- log
  joined_seq INTEGER NOT NULL,   -- sees messages above
  left_seq INTEGER,              -- and up to here; NULL: is in
  joined INTEGER NOT NULL,       -- snowflake of the joining: order and time
  filled INTEGER NOT NULL,       -- in a large group: has or passed over rows up to this seq
  PRIMARY KEY (grp, account, joined_seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX members_in_order ON group_members (grp, joined) WHERE left_seq IS NULL;

CREATE TABLE conversations (     -- of an account: those that it talked in, and the groups it was in
  account INTEGER NOT NULL,      -- log
  conversation INTEGER NOT NULL, -- log
  peer INTEGER,                  -- log of the other account; NULL: a group
  since INTEGER NOT NULL,        -- id of the first message; in a group, snowflake of the last joining
  read INTEGER NOT NULL,         -- messages of others above this seq are unread
  PRIMARY KEY (account, conversation)
) STRICT, WITHOUT ROWID;
`;

/** SQL for both names of a pair's log. */
const FIRST = "substr(pair.name, 1, instr(pair.name, ',') - 1)",
  SECOND = "substr(pair.name, instr(pair.name, ',') + 1)";

/** What brings a store of version n to n + 1, at index n - 1. */
const MIGRATIONS: readonly string[] = [
  `ALTER TABLE messages ADD COLUMN fan BLOB;
   ALTER TABLE entries ADD COLUMN grp INTEGER;
   ALTER TABLE logs ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
   UPDATE logs SET epoch = (SELECT coalesce(min(id), 1) FROM messages);
   CREATE TABLE outbox (id INTEGER PRIMARY KEY, app TEXT NOT NULL, event TEXT NOT NULL, body TEXT NOT NULL) STRICT;`,
  `DROP TABLE IF EXISTS groups;
   DROP TABLE IF EXISTS group_members;
   ALTER TABLE logs ADD COLUMN trimmed INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE entries ADD COLUMN sent INTEGER;
   CREATE INDEX made_rows ON entries (message, log) WHERE sent IS NOT NULL;
   ALTER TABLE dedupe ADD COLUMN answer BLOB;
   ${GROUP_SCHEMA}
   INSERT INTO conversations
     SELECT own.id, pair.id, other.id, pair.epoch, coalesce(sent.seq, 0) FROM logs AS pair
     JOIN logs AS own ON own.app = pair.app AND own.kind = 0 AND own.name IN (${FIRST}, ${SECOND})
     JOIN logs AS other ON other.app = pair.app AND other.kind = 0
       AND other.name = CASE own.name WHEN ${FIRST} THEN ${SECOND} ELSE ${FIRST} END
     LEFT JOIN (SELECT conversation, sender, max(seq) AS seq FROM messages GROUP BY 1, 2) AS sent
       ON sent.conversation = pair.id AND sent.sender = own.id
     WHERE pair.kind = 1;`,
  `CREATE TABLE refused (
     at INTEGER NOT NULL, scope TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (at, scope, n)
   ) STRICT, WITHOUT ROWID;`,
  `ALTER TABLE refused RENAME TO kept_keys;
   ALTER TABLE kept_keys ADD COLUMN answer INTEGER NOT NULL DEFAULT 0;`,
];

/** `PRAGMA user_version` of what this build writes. */
export const VERSION = MIGRATIONS.length + 1;
/** `PRAGMA application_id`: "PTRL". */
const APPLICATION = 0x5054524c;

export const KIND = { account: 0, pair: 1, group: 2 } as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

/** The name of the conversation of two accounts, whoever writes; `,` is not legal in names. */
export function pairName(one: string, other: string): string {
  return one < other ? `${one},${other}` : `${other},${one}`;
}

/** The log of a conversation, as one side names it. */
export function logOf(account: string, peer: Peer): [kind: number, name: string] {
  return "group" in peer ? [KIND.group, peer.group] : [KIND.pair, pairName(account, peer.account)];
}

/**
 * Opens the writer's connection, makes or migrates the schema.
 * @throws {ImError} CONFIG: newer than this build, not a store, full or read-only disk.
 */
export function openForWriting(path: string, sync: "full" | "normal"): DatabaseSync {
  const db = connect(path, false);
  try {
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${sync}; PRAGMA wal_autocheckpoint = 1000`);
    prepareSchema(db, path);
    return db;
  } catch (thrown) {
    db.close();
    throw openError(path, thrown);
  }
}

/** Opens a connection that only reads; the writer's must be open. @throws {ImError} CONFIG */
export function openForReading(path: string): DatabaseSync {
  return connect(path, true);
}

/** One integer setting of the database. */
export function pragma(db: DatabaseSync, name: string): number {
  const row = db.prepare(`PRAGMA ${name}`).get() ?? {};
  return Number(Object.values(row)[0] ?? 0);
}

function connect(path: string, readOnly: boolean): DatabaseSync {
  try {
    const db = new DatabaseSync(path, { readOnly });
    db.exec("PRAGMA busy_timeout = 5000");
    return db;
  } catch (thrown) {
    throw openError(path, thrown);
  }
}

function prepareSchema(db: DatabaseSync, path: string): void {
  const version = pragma(db, "user_version");
  if (version === VERSION) return;
  if (version > VERSION) {
    throw new ImError("CONFIG", `Cannot open ${path}: its version is ${version}, this build knows up to ${VERSION}`);
  }
  const tables = db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.["n"];
  if (version === 0 && tables !== 0) {
    throw new ImError("CONFIG", `Cannot open ${path}: it is a database of something else`);
  }
  db.exec("BEGIN IMMEDIATE");
  if (version === 0) {
    db.exec(SCHEMA + GROUP_SCHEMA + KEYS_SCHEMA);
    db.prepare("INSERT INTO meta VALUES ('store', ?), ('floor', 0)").run(crypto.randomUUID());
    db.exec(`PRAGMA application_id = ${APPLICATION}`);
  } else {
    for (const step of MIGRATIONS.slice(version - 1)) db.exec(step);
  }
  db.exec(`PRAGMA user_version = ${VERSION}; COMMIT`);
}

function openError(path: string, thrown: unknown): ImError {
  if (thrown instanceof ImError) return thrown;
  const text = reasonOf(thrown);
  return new ImError("CONFIG", `Cannot open ${path}: ${EXPLAINED.find(([part]) => text.includes(part))?.[1] ?? text}`, {
    cause: thrown,
  });
}

const EXPLAINED: readonly (readonly [string, string])[] = [
  ["database or disk is full", "the disk is full; make room and start again"],
  ["readonly database", "the folder or the disk can only be read; petrel must be able to write there"],
  ["unable to open", "the file cannot be made or opened; is the folder writable, is the disk full or read-only?"],
  ["disk I/O error", "the disk does not take or give data; is it full or broken?"],
  ["not a database", "it is not a SQLite database"],
  ["malformed", "the database is damaged; restore a copy"],
  ["locked", "another program uses it"],
];
