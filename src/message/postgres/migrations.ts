import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

/**
 * The schema, step by step; a step that was released is never edited. As in the SQLite store a *log* is a dense
 * sequence that belongs to an account (its inbox), a pair or a group; here its head is a column, because several
 * processes write. Texts that people write are `bytea`: PostgreSQL's `text` takes no NUL.
 */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  "0001_messages": { up: (db) => run(db, MESSAGES) },
  "0002_groups": { up: (db) => run(db, GROUPS) },
  "0003_removal_and_lists": { up: (db) => run(db, REMOVAL_AND_LISTS) },
};

const MESSAGES = `
-- fillfactor: heads are updated in place.
CREATE TABLE logs (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  app text COLLATE "C" NOT NULL,
  kind smallint NOT NULL,           -- 0 account, 1 pair, 2 group
  name text COLLATE "C" NOT NULL,   -- account; the pair's accounts in order, joined by ","; group id
  epoch bigint NOT NULL,            -- id of its first message: a log made anew has another
  head integer NOT NULL,            -- last number given
  trimmed integer NOT NULL DEFAULT 0, -- numbers up to here were removed by retention
  last_time bigint NOT NULL DEFAULT 0, -- conversation: sendTime of its last message
  prev_time bigint NOT NULL DEFAULT 0, -- and before the last batch: RETURNING knows only new values
  UNIQUE (app, kind, name)
) WITH (fillfactor = 50);

CREATE TABLE messages (
  id bigint PRIMARY KEY,
  conversation integer NOT NULL,    -- log
  seq integer NOT NULL,
  sender integer NOT NULL,          -- log
  sender_pos integer NOT NULL,      -- 0 in a group: see entries
  receiver integer,                 -- log; NULL for a group
  receiver_pos integer,
  type integer NOT NULL,
  body bytea NOT NULL,
  extra bytea NOT NULL,
  send_time bigint NOT NULL,        -- Unix ns
  client_msg_id bytea
);
CREATE UNIQUE INDEX messages_conversation ON messages (conversation, seq);

CREATE TABLE entries (
  log integer NOT NULL,             -- an account's
  pos integer NOT NULL,             -- user_seq
  message bigint NOT NULL,
  direction smallint NOT NULL,      -- 1: the account sent it
  peer integer NOT NULL,            -- log of the other account; in a group, of the sender
  grp integer,                      -- log of the group
  send_time bigint NOT NULL,
  PRIMARY KEY (log, pos)
);
CREATE INDEX entries_group ON entries (message, log) WHERE grp IS NOT NULL;

CREATE TABLE cursors (
  account integer NOT NULL,         -- log
  device text COLLATE "C" NOT NULL,
  pos integer NOT NULL,
  PRIMARY KEY (account, device)
);

CREATE TABLE dedupe (
  account integer NOT NULL,         -- log
  client_msg_id bytea NOT NULL,
  message bigint NOT NULL,
  created bigint NOT NULL,          -- ms
  PRIMARY KEY (account, client_msg_id)
);

CREATE TABLE scopes (
  scope text COLLATE "C" PRIMARY KEY, -- of request keys: a channel
  low bigint NOT NULL,              -- everything below was answered
  answers bytea NOT NULL,           -- (n f64, message id i64) of what may come again; id 0: refused for good
  used bigint NOT NULL              -- ms
) WITH (fillfactor = 50);

CREATE TABLE batches (
  id bigint PRIMARY KEY,            -- snowflake: one row per transaction tells whether it was committed
  fenced boolean NOT NULL           -- it was not, and never will be
)`;

const GROUPS = `
CREATE TABLE groups (
  id integer PRIMARY KEY,           -- log of kind 2
  name bytea NOT NULL,
  owner integer,                    -- log; NULL when the owner left
  avatar bytea NOT NULL,
  introduction bytea NOT NULL,
  created bigint NOT NULL,          -- s
  members integer NOT NULL,         -- how many there are now
  large_from integer                -- messages above have no rows in inboxes
);

CREATE TABLE group_members (
  grp integer NOT NULL,             -- log
  account integer NOT NULL,         -- log
  joined_seq integer NOT NULL,      -- sees messages above
  left_seq integer,                 -- and up to here
  made integer NOT NULL,            -- large group: inbox rows were made up to here
  joined bigint NOT NULL,           -- s
  place bigint GENERATED ALWAYS AS IDENTITY, -- the order of joining
  PRIMARY KEY (grp, account, place)
);
CREATE UNIQUE INDEX group_members_now ON group_members (grp, account) WHERE left_seq IS NULL;
CREATE INDEX group_members_place ON group_members (grp, place) WHERE left_seq IS NULL;
CREATE INDEX group_members_account ON group_members (account);

CREATE TABLE conversations (
  account integer NOT NULL,         -- log
  conversation integer NOT NULL,    -- log of a pair or a group
  other integer NOT NULL,           -- log of the other account; of the group
  read integer NOT NULL DEFAULT 0,  -- seq
  PRIMARY KEY (account, conversation)
)`;

const REMOVAL_AND_LISTS = `
-- What retention removed, as long as it may have to be answered again.
CREATE TABLE removed (LIKE messages);
ALTER TABLE removed ADD PRIMARY KEY (id);
CREATE INDEX dedupe_created ON dedupe USING brin (created);
ALTER TABLE conversations SET (fillfactor = 80);
-- Snowflake: when the account joined the group last.
ALTER TABLE conversations ADD since bigint NOT NULL DEFAULT 0;
UPDATE conversations c SET since = (m.joined * 1000 - 1288834974657) << 22, read = greatest(read, m.joined_seq)
  FROM group_members m WHERE m.grp = c.conversation AND m.account = c.account AND m.left_seq IS NULL;
-- Sending moves the read position.
UPDATE conversations c SET read = greatest(c.read, m.seq) FROM (
  SELECT conversation, sender, max(seq) AS seq FROM messages GROUP BY conversation, sender) AS m
  WHERE m.conversation = c.conversation AND m.sender = c.account;
-- One row. epoch: of all logs, when it is higher than theirs; raised when the database came back without its latest rows.
CREATE TABLE state (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  epoch bigint NOT NULL,
  cluster text NOT NULL             -- which server this is: another one, or a promoted one, may lack rows
);
INSERT INTO state (epoch, cluster) VALUES (0, '')`;

async function run(db: Kysely<unknown>, statements: string): Promise<void> {
  for (const statement of statements.split(";\n")) await sql.raw(statement).execute(db);
}
