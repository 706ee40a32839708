-- A store of version 1: logs without epoch, entries without grp, messages without fan, no tables for groups and webhooks.
-- ann wrote to bob three times, cat once; the rows of the last two messages are not in `entries` yet (floor).
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE logs (
  id INTEGER PRIMARY KEY, app TEXT NOT NULL, kind INTEGER NOT NULL, name TEXT NOT NULL,
  UNIQUE (app, kind, name)
) STRICT;
CREATE TABLE messages (
  id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL, seq INTEGER NOT NULL,
  sender INTEGER NOT NULL, sender_pos INTEGER NOT NULL, receiver INTEGER, receiver_pos INTEGER,
  type INTEGER NOT NULL, body TEXT NOT NULL, extra TEXT NOT NULL, send_time INTEGER NOT NULL,
  key_scope TEXT, key_n INTEGER, client_msg_id TEXT
) STRICT;
CREATE TABLE entries (
  log INTEGER NOT NULL, pos INTEGER NOT NULL, message INTEGER NOT NULL, direction INTEGER NOT NULL,
  peer INTEGER NOT NULL, send_time INTEGER NOT NULL,
  PRIMARY KEY (log, pos)
) STRICT, WITHOUT ROWID;
CREATE TABLE cursors (
  account INTEGER NOT NULL, device TEXT NOT NULL, pos INTEGER NOT NULL,
  PRIMARY KEY (account, device)
) STRICT, WITHOUT ROWID;
CREATE TABLE dedupe (
  account INTEGER NOT NULL, client_msg_id TEXT NOT NULL, message INTEGER NOT NULL, created INTEGER NOT NULL,
  PRIMARY KEY (account, client_msg_id)
) STRICT, WITHOUT ROWID;

INSERT INTO meta VALUES ('store', 'b5f9c2de-0c3a-4c39-9d7e-0a4f6a0a3f01'), ('floor', 1724551118844854272);
INSERT INTO logs VALUES
  (1, 'kim', 0, 'ann'), (2, 'kim', 0, 'bob'), (3, 'kim', 1, 'ann,bob'), (4, 'kim', 0, 'cat'), (5, 'kim', 1, 'bob,cat');
INSERT INTO messages VALUES
  (1724551110456246272, 3, 1, 1, 1, 2, 1, 1, 'one', '', 1700000000000000123, NULL, NULL, 'c1'),
  (1724551114650550272, 3, 2, 1, 2, 2, 2, 1, 'two', '{}', 1700000001000000123, 'g1_c1', 1, NULL),
  (1724551118844854272, 3, 3, 1, 3, 2, 3, 2, 'three', '', 1700000002000000123, 'g1_c1', 2, 'c3'),
  (1724551123039158272, 5, 1, 4, 1, 2, 4, 1, 'from cat', '', 1700000003000000123, NULL, NULL, NULL);
INSERT INTO entries VALUES
  (1, 1, 1724551110456246272, 1, 2, 1700000000000000123),
  (1, 2, 1724551114650550272, 1, 2, 1700000001000000123),
  (2, 1, 1724551110456246272, 0, 1, 1700000000000000123),
  (2, 2, 1724551114650550272, 0, 1, 1700000001000000123),
  (3, 1, 1724551110456246272, 0, 1, 1700000000000000123),
  (3, 2, 1724551114650550272, 0, 1, 1700000001000000123);
INSERT INTO cursors VALUES (2, '', 1), (2, 'phone', 2);
INSERT INTO dedupe VALUES (1, 'c1', 1724551110456246272, 1700000000000);
PRAGMA user_version = 1;
