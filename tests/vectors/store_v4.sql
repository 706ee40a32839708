-- A store of version 4, as that version wrote it: no keys of changes of members. One request came again and was refused.
-- ann wrote to bob three times, cat once, dan to himself; no rows are in `entries` yet (floor).
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES('floor',0);
INSERT INTO meta VALUES('store','788fd499-c206-45d6-bb63-9100a7ec9399');
CREATE TABLE logs (
  id INTEGER PRIMARY KEY,
  app TEXT NOT NULL,
  kind INTEGER NOT NULL,
  name TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  trimmed INTEGER NOT NULL DEFAULT 0,
  UNIQUE (app, kind, name)
) STRICT;
INSERT INTO logs VALUES(1,'kim',0,'ann',1724551110456246272,0);
INSERT INTO logs VALUES(2,'kim',0,'bob',1724551110456246272,0);
INSERT INTO logs VALUES(3,'kim',1,'ann,bob',1724551110456246272,0);
INSERT INTO logs VALUES(4,'kim',0,'dan',1724551118844854272,0);
INSERT INTO logs VALUES(5,'kim',1,'dan,dan',1724551118844854272,0);
INSERT INTO logs VALUES(6,'kim',0,'cat',1724551127233462272,0);
INSERT INTO logs VALUES(7,'kim',1,'bob,cat',1724551127233462272,0);
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
INSERT INTO messages VALUES(1724551110456246272,3,1,1,1,2,1,1,'one','',1700000000000000000,NULL,NULL,'c1',NULL);
INSERT INTO messages VALUES(1724551114650550272,3,2,1,2,2,2,1,'two','{}',1700000001000000000,'g1_c1',1,NULL,NULL);
INSERT INTO messages VALUES(1724551118844854272,5,1,4,1,4,1,1,'note','',1700000002000000000,NULL,NULL,NULL,NULL);
INSERT INTO messages VALUES(1724551123039158272,3,3,1,3,2,3,2,'three','',1700000003000000000,'g1_c1',2,'c3',NULL);
INSERT INTO messages VALUES(1724551127233462272,7,1,6,1,2,4,1,'from cat','',1700000004000000000,NULL,NULL,NULL,NULL);
CREATE TABLE entries (
  log INTEGER NOT NULL,
  pos INTEGER NOT NULL,
  message INTEGER NOT NULL,
  direction INTEGER NOT NULL,
  peer INTEGER NOT NULL,
  grp INTEGER,
  send_time INTEGER NOT NULL,
  sent INTEGER,
  PRIMARY KEY (log, pos)
) STRICT, WITHOUT ROWID;
CREATE TABLE cursors (
  account INTEGER NOT NULL,
  device TEXT NOT NULL,
  pos INTEGER NOT NULL,
  PRIMARY KEY (account, device)
) STRICT, WITHOUT ROWID;
INSERT INTO cursors VALUES(2,'',1);
INSERT INTO cursors VALUES(2,'phone',2);
CREATE TABLE dedupe (
  account INTEGER NOT NULL,
  client_msg_id TEXT NOT NULL,
  message INTEGER NOT NULL,
  created INTEGER NOT NULL,
  answer BLOB,
  PRIMARY KEY (account, client_msg_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY,
  app TEXT NOT NULL,
  event TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE TABLE groups (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  avatar TEXT NOT NULL,
  introduction TEXT NOT NULL,
  owner INTEGER,
  members INTEGER NOT NULL,
  large_from INTEGER,
  key_scope TEXT,
  key_n INTEGER
) STRICT;
CREATE TABLE group_members (
  grp INTEGER NOT NULL,
  account INTEGER NOT NULL,
  joined_seq INTEGER NOT NULL,
  left_seq INTEGER,
  joined INTEGER NOT NULL,
  filled INTEGER NOT NULL,
  PRIMARY KEY (grp, account, joined_seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE conversations (
  account INTEGER NOT NULL,
  conversation INTEGER NOT NULL,
  peer INTEGER,
  since INTEGER NOT NULL,
  read INTEGER NOT NULL,
  PRIMARY KEY (account, conversation)
) STRICT, WITHOUT ROWID;
CREATE TABLE refused (
  at INTEGER NOT NULL,
  scope TEXT NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (at, scope, n)
) STRICT, WITHOUT ROWID;
INSERT INTO refused VALUES(1700000004000,'g1_c9',1);
CREATE INDEX made_rows ON entries (message, log) WHERE sent IS NOT NULL;
CREATE UNIQUE INDEX members_in_order ON group_members (grp, joined) WHERE left_seq IS NULL;
PRAGMA application_id = 1347703372;
PRAGMA user_version = 4;
