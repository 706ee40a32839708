import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { group, groupTalk } from "../../tests/contract/group_talk.ts";
import { stored, talk } from "../../tests/contract/message_talk.ts";
import { tempDir } from "../../tests/support/temp.ts";
import { FakeClock } from "../base/fake_clock.ts";
import type { ImError } from "../base/errors.ts";
import { openSqliteStore, type SqliteOptions } from "./sqlite.ts";
import { VERSION } from "./sqlite/schema.ts";

const OLDER = [1, 2, 3, 4].map((version) => ({
  version,
  sql: readFileSync(new URL(`../../tests/vectors/store_v${version}.sql`, import.meta.url), "utf8"),
}));

/** What opening fails with. */
async function openingFails(options: SqliteOptions): Promise<ImError> {
  try {
    await using _store = await openSqliteStore({ sync: "normal", threads: false, ...options });
  } catch (error) {
    return error as ImError;
  }
  throw new Error("It opened");
}

function database(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}

describe("opening a SQLite store", () => {
  test("a clock that is ahead after a restart forgets no request keys", async () => {
    await using directory = await tempDir();
    const options = { directory: directory.path, sync: "normal", threads: false } as const;
    const first = talk("ann", "bob", { key: { scope: "g1_c1", n: 1, low: 1 } });
    const startMs = 1_700_000_000_000;
    {
      await using store = await openSqliteStore({ ...options, clock: new FakeClock(startMs) });
      await stored(store, first);
    }
    await using store = await openSqliteStore({ ...options, clock: new FakeClock(startMs + 86_400_000) });
    expect(await stored(store, { ...first, again: true })).toMatchObject({ duplicate: true, seq: 1 });
  });

  test.each(OLDER)(
    "version $version keeps its messages, numbers, positions, keys and client ids",
    async ({ version, sql }) => {
      await using directory = await tempDir();
      database(directory.in("messages.db"), sql);
      const options: SqliteOptions = {
        directory: directory.path,
        sync: "normal",
        threads: false,
        clock: new FakeClock(1_700_000_005_000),
      };
      for (const round of [1, 2]) {
        await using store = await openSqliteStore(options);
        const bob = await store.messages("kim", "bob", { after: 0, limit: 4 });
        expect(bob.rows.map(({ pos, seq, body, peer }) => ({ pos, seq, body, peer }))).toEqual([
          { pos: 1, seq: 1, body: "one", peer: "ann" },
          { pos: 2, seq: 2, body: "two", peer: "ann" },
          { pos: 3, seq: 3, body: "three", peer: "ann" },
          { pos: 4, seq: 1, body: "from cat", peer: "cat" },
        ]);
        expect(bob.head.epoch).toMatch(/^[1-9]\d+$/);
        expect(await store.acked("kim", "bob", "phone")).toBe(2);
        for (
          const again of [
            talk("ann", "bob", { body: "one", clientMsgId: "c1" }),
            talk("ann", "bob", { body: "three", type: 2, clientMsgId: "c3" }),
            talk("ann", "bob", { key: { scope: "g1_c1", n: 2, low: 1 } }),
          ]
        ) expect(await stored(store, again)).toMatchObject({ duplicate: true });
        if (version === 4) {
          const refused = talk("ann", "bob", { key: { scope: "g1_c9", n: 1, low: 1 } });
          expect(await store.append([refused])).toMatchObject([{ code: "BUSY" }]);
        }
        expect(await stored(store, talk("ann", "bob"))).toMatchObject({ seq: 3 + round, receiverPos: 4 + round });
      }
      {
        await using store = await openSqliteStore(options);
        const lines = async (account: string) =>
          (await store.conversations("kim", account, undefined, 9)).conversations.map((
            one,
          ) => [one.peer, one.head, one.read, one.unread, one.last?.body]);
        expect(await lines("bob")).toEqual([
          [{ account: "ann" }, 5, 0, 5, "ann to bob"],
          [{ account: "cat" }, 1, 0, 1, "from cat"],
        ]);
        expect(await lines("ann")).toEqual([[{ account: "bob" }, 5, 5, 0, "ann to bob"]]);
        const { rows } = await store.history("kim", "bob", { account: "ann" }, { before: 5, limit: 3 });
        expect(rows.map((row) => row.body)).toEqual(["two", "three", "ann to bob"]);
        const { id } = await store.createGroup(group("bob", ["ann"]));
        expect((await stored(store, groupTalk("ann", id))).fan).toEqual([
          { account: "bob", pos: 7 },
          { account: "ann", pos: 6 },
        ]);
      }
      const db = new DatabaseSync(directory.in("messages.db"));
      expect(db.prepare("PRAGMA user_version").get()).toEqual({ user_version: VERSION });
      expect(db.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
      const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all();
      await using fresh = await tempDir();
      await (await openSqliteStore({ ...options, directory: fresh.path }))[Symbol.asyncDispose]();
      const other = new DatabaseSync(fresh.in("messages.db"));
      expect(tables).toEqual(other.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all());
      for (const { name } of tables) {
        const columns = (db: DatabaseSync) =>
          db.prepare("SELECT name, type, pk FROM pragma_table_info(?) ORDER BY name").all(String(name));
        expect(columns(db)).toEqual(columns(other));
      }
      db.close();
      other.close();
    },
  );

  test("a migration that fails leaves the older file as it was", async () => {
    await using directory = await tempDir();
    const path = directory.in("messages.db");
    database(path, `${OLDER[0]!.sql}; CREATE TABLE outbox (x)`);
    expect(await openingFails({ directory: directory.path })).toMatchObject({ code: "CONFIG" });
    const db = new DatabaseSync(path);
    expect(db.prepare("PRAGMA user_version").get()).toEqual({ user_version: 1 });
    expect(db.prepare("SELECT count(*) AS n FROM messages").get()).toEqual({ n: 4 });
    expect(() => db.prepare("SELECT epoch FROM logs")).toThrow();
    db.close();
  });

  test("a newer file is refused, with both versions", async () => {
    await using directory = await tempDir();
    database(directory.in("messages.db"), `PRAGMA user_version = ${VERSION + 1}`);
    const error = await openingFails({ directory: directory.path });
    expect(error).toMatchObject({ code: "CONFIG" });
    expect(error.message).toContain(`its version is ${VERSION + 1}, this build knows up to ${VERSION}`);
  });

  test("a file of something else is refused and not touched", async () => {
    await using directory = await tempDir();
    database(directory.in("messages.db"), "CREATE TABLE theirs (x)");
    expect((await openingFails({ directory: directory.path })).message).toContain("a database of something else");
    writeFileSync(directory.in("messages.db"), "not a database at all".repeat(300));
    expect((await openingFails({ directory: directory.path })).message).toContain("not a SQLite database");
    expect(readFileSync(directory.in("messages.db"), "utf8")).toMatch(/^not a database at all/);
  });

  test("a folder that cannot be made is said with its name", async () => {
    await using directory = await tempDir();
    writeFileSync(directory.in("file"), "");
    const error = await openingFails({ directory: directory.in("file", "data") });
    expect(error).toMatchObject({ code: "CONFIG" });
    expect(error.message).toContain(directory.in("file", "data"));
    mkdirSync(directory.in("lockless", "petrel.lock"), { recursive: true });
    expect(await openingFails({ directory: directory.in("lockless") })).toMatchObject({ code: "CONFIG" });
  });

  test.each([{ where: "in a worker", threads: true }, { where: "in this thread", threads: false }])(
    "a fault that makes no sense is refused $where",
    async ({ threads }) => {
      await using directory = await tempDir();
      const error = await openingFails({ directory: directory.path, threads, faults: "sync=explode" });
      expect(error).toMatchObject({ code: "CONFIG" });
      expect(error.message).toContain("sync=explode");
      await using store = await openSqliteStore({ directory: directory.path, threads });
      await expect(store.inject("sync=io")).rejects.toMatchObject({ code: "CONFIG" });
    },
  );

  test("a folder in use is refused, and free after disposal", async () => {
    await using directory = await tempDir();
    const options = { directory: directory.path, threads: false, sync: "normal" } as const;
    await using store = await openSqliteStore(options);
    const error = await openingFails(options);
    expect(error).toMatchObject({ code: "CONFIG" });
    expect(error.message).toContain(`data folder ${directory.path}: it is in use by another process (pid `);
    await stored(store, talk("ann", "bob"));
    await store[Symbol.asyncDispose]();
    expect(readdirSync(directory.path).sort()).toEqual(["messages.db", "petrel.lock"]);
    await using again = await openSqliteStore(options);
    expect((await again.heads("kim", ["bob"]))[0]?.pos).toBe(1);
  });
});
