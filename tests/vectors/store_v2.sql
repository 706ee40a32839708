-- A store of version 2, as that version wrote it: no conversations, no trimmed, sent and answer columns, groups never used.
-- ann wrote to bob three times, cat once, dan to himself; the rows of the last two messages are not in `entries` yet (floor).
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE logs (
  id INTEGER PRIMARY KEY,
  app TEXT NOT NULL,
  kind INTEGER NOT NULL,
  name TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  UNIQUE (app, kind, name)
) STRICT;
CREATE TABLE messages (
  id INTEGER PRIMARY KEY,
  conversation INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  sender INTEGER NOT NULL,
  sender_pos INTEGER NOT NULL,
  receiver INTEGER,
  receiver_pos INTEGER,
  type INTEGER NOT NULL,
  body TEXT NOT NULL,
  extra TEXT NOT NULL,
  send_time INTEGER NOT NULL,
  key_scope TEXT,
  key_n INTEGER,
  client_msg_id TEXT,
  fan BLOB
) STRICT;
CREATE TABLE entries (
  log INTEGER NOT NULL,
  pos INTEGER NOT NULL,
  message INTEGER NOT NULL,
  direction INTEGER NOT NULL,
  peer INTEGER NOT NULL,
  grp INTEGER,
  send_time INTEGER NOT NULL,
  PRIMARY KEY (log, pos)
) STRICT, WITHOUT ROWID;
CREATE TABLE cursors (
  account INTEGER NOT NULL,
  device TEXT NOT NULL,
  pos INTEGER NOT NULL,
  PRIMARY KEY (account, device)
) STRICT, WITHOUT ROWID;
CREATE TABLE dedupe (
  account INTEGER NOT NULL,
  client_msg_id TEXT NOT NULL,
  message INTEGER NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (account, client_msg_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE groups (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  owner INTEGER NOT NULL,
  avatar TEXT NOT NULL,
  introduction TEXT NOT NULL,
  created INTEGER NOT NULL,
  large_from INTEGER
) STRICT;
CREATE TABLE group_members (
  grp INTEGER NOT NULL,
  account INTEGER NOT NULL,
  joined_seq INTEGER NOT NULL,
  left_seq INTEGER,
  position INTEGER NOT NULL,
  PRIMARY KEY (grp, account, joined_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_members_account ON group_members (account, grp);
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY,
  app TEXT NOT NULL,
  event TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;
INSERT INTO meta (key, value) VALUES
  ('floor', 1724551118844854273),
  ('store', 'bcc800a2-3e1d-4dd2-98cd-eb279c616793');
INSERT INTO logs (id, app, kind, name, epoch) VALUES
  (1, 'kim', 0, 'ann', 1724551110456246272),
  (2, 'kim', 0, 'bob', 1724551110456246272),
  (3, 'kim', 1, 'ann,bob', 1724551110456246272),
  (4, 'kim', 0, 'dan', 1724551118844854272),
  (5, 'kim', 1, 'dan,dan', 1724551118844854272),
  (6, 'kim', 0, 'cat', 1724551127233462272),
  (7, 'kim', 1, 'bob,cat', 1724551127233462272);
INSERT INTO messages (id, conversation, seq, sender, sender_pos, receiver, receiver_pos, type, body, extra, send_time, key_scope, key_n, client_msg_id, fan) VALUES
  (1724551110456246272, 3, 1, 1, 1, 2, 1, 1, 'one', '', 1700000000000000000, NULL, NULL, 'c1', NULL),
  (1724551114650550272, 3, 2, 1, 2, 2, 2, 1, 'two', '{}', 1700000001000000000, 'g1_c1', 1, NULL, NULL),
  (1724551118844854272, 5, 1, 4, 1, 4, 1, 1, 'note', '', 1700000002000000000, NULL, NULL, NULL, NULL),
  (1724551123039158272, 3, 3, 1, 3, 2, 3, 2, 'three', '', 1700000003000000000, 'g1_c1', 2, 'c3', NULL),
  (1724551127233462272, 7, 1, 6, 1, 2, 4, 1, 'from cat', '', 1700000004000000000, NULL, NULL, NULL, NULL);
INSERT INTO entries (log, pos, message, direction, peer, grp, send_time) VALUES
  (1, 1, 1724551110456246272, 1, 2, NULL, 1700000000000000000),
  (1, 2, 1724551114650550272, 1, 2, NULL, 1700000001000000000),
  (2, 1, 1724551110456246272, 0, 1, NULL, 1700000000000000000),
  (2, 2, 1724551114650550272, 0, 1, NULL, 1700000001000000000),
  (3, 1, 1724551110456246272, 0, 1, NULL, 1700000000000000000),
  (3, 2, 1724551114650550272, 0, 1, NULL, 1700000001000000000),
  (4, 1, 1724551118844854272, 1, 4, NULL, 1700000002000000000),
  (5, 1, 1724551118844854272, 0, 4, NULL, 1700000002000000000);
INSERT INTO cursors (account, device, pos) VALUES
  (2, '', 1),
  (2, 'phone', 2);
INSERT INTO dedupe (account, client_msg_id, message, created) VALUES
  (1, 'c1', 1724551110456246272, 1700000000000);
PRAGMA user_version = 2;
