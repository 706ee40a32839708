import { describe, expect, test } from "bun:test";
import { DatabaseSync } from "node:sqlite";
import { stored, talk } from "../../tests/contract/message_talk.ts";
import { type TempDir, tempDir } from "../../tests/support/temp.ts";
import { FakeClock } from "../base/fake_clock.ts";
import { Metrics } from "../base/metrics.ts";
import { openSqliteStore, type SqliteOptions } from "./sqlite.ts";

const DAY_MS = 24 * 3_600_000;

function options(directory: TempDir, over: Partial<SqliteOptions> = {}): SqliteOptions {
  return { directory: directory.path, sync: "normal", threads: false, clock: new FakeClock(), ...over };
}

/** One number from the database of a closed store. */
function read(directory: TempDir, sql: string): bigint {
  const db = new DatabaseSync(directory.in("messages.db"));
  const statement = db.prepare(sql);
  statement.setReadBigInts(true);
  const [value] = Object.values(statement.get() ?? {});
  db.close();
  return typeof value === "bigint" ? value : -1n;
}

let ids = 0;
const talks = (count: number, pairs: number) =>
  Array.from({ length: count }, (_, i) => talk(`a${i % pairs}`, `b${i % pairs}`, { clientMsgId: `c${ids++}` }));

describe("rows that wait in memory", () => {
  test("are at most as many as asked for, and the others are written, oldest first", async () => {
    await using directory = await tempDir();
    {
      await using store = await openSqliteStore(options(directory, { tailRows: 100 }));
      for (let i = 0; i < 20; i++) await store.append(talks(50, 2));
      expect(store.stats().waitingRows).toBeLessThanOrEqual(100);
      expect(store.stats().waitingRows).toBeGreaterThan(0);
    }
    const written = read(directory, "SELECT count(*) FROM entries");
    expect(written).toBeGreaterThanOrEqual(2_900n);
    const floor = read(directory, "SELECT value FROM meta WHERE key = 'floor'");
    const missing = `SELECT min(id) FROM messages JOIN (SELECT log, max(pos) AS last FROM entries GROUP BY log) AS e
      ON (log = sender AND sender_pos > last) OR (log = receiver AND receiver_pos > last) OR (log = conversation AND seq > last)`;
    expect(read(directory, missing)).toBe(floor);
  });

  test("may be more while many accounts write, four times at most", async () => {
    await using directory = await tempDir();
    await using store = await openSqliteStore(options(directory, { tailRows: 100 }));
    for (let i = 0; i < 20; i++) await store.append(talks(200, 200));
    expect(store.stats().waitingRows).toBeGreaterThan(100);
    expect(store.stats().waitingRows).toBeLessThanOrEqual(400);
  });

  test("of one busy account are written out of turn", async () => {
    await using directory = await tempDir();
    {
      await using store = await openSqliteStore(options(directory, { tailRows: 6_000 }));
      await store.append(talks(20, 10));
      for (let i = 0; i < 8; i++) {
        await store.append(talks(256, 1));
        expect(store.stats().waitingRows).toBeLessThan(60 + 3 * (500 + 256));
      }
      expect((await store.entries("kim", "a0", { after: 0, limit: 5_000 })).rows.length).toBe(2_050);
    }
    await using store = await openSqliteStore(options(directory));
    const { rows } = await store.entries("kim", "b0", { after: 0, limit: 5_000 });
    expect(rows.map((row) => row.pos)).toEqual(Array.from({ length: 2_050 }, (_, i) => i + 1));
    expect((await store.heads("kim", ["a9"]))[0]?.pos).toBe(2);
  });

  test("are none with a limit of 0: every row is written with its message", async () => {
    await using directory = await tempDir();
    {
      await using store = await openSqliteStore(options(directory, { tailRows: 0 }));
      const { messageId } = await stored(store, talk("ann", "bob"));
      expect(store.stats().waitingRows).toBe(0);
      expect(messageId).toBeGreaterThan(0n);
    }
    expect(read(directory, "SELECT count(*) FROM entries")).toBe(3n);
    const floor = read(directory, "SELECT value FROM meta WHERE key = 'floor'");
    expect(floor).toBe(1n + read(directory, "SELECT max(id) FROM messages"));
  });

  test("heads in memory stay bounded however many accounts come", async () => {
    await using directory = await tempDir();
    const metrics = new Metrics();
    await using store = await openSqliteStore(options(directory, { cachedLogs: 100, tailRows: 0, metrics }));
    for (let i = 0; i < 100; i++) {
      await store.append(Array.from({ length: 10 }, (_, j) => talk(`s${i}_${j}`, `r${i}_${j}`)));
    }
    expect(store.stats().cachedLogs).toBeLessThanOrEqual(130); // and those of the last batch
    expect(metrics.read("petrel_store_cached_logs")).toBe(store.stats().cachedLogs);
    expect(await stored(store, talk("s0_0", "r0_0"))).toMatchObject({ seq: 2, senderPos: 2, receiverPos: 2 });
  });
});

describe("what a store remembers, and for how long", () => {
  test("a client id for seven days, then its row goes", async () => {
    await using directory = await tempDir();
    const clock = new FakeClock();
    {
      await using store = await openSqliteStore(options(directory, { clock, tailRows: 0 }));
      const first = await stored(store, talk("ann", "bob", { clientMsgId: "c" }));
      await store.append(Array.from({ length: 20 }, (_, i) => talk("ann", "bob", { clientMsgId: `old ${i}` })));
      clock.advance(7 * DAY_MS - 1_000);
      expect(await stored(store, talk("ann", "bob", { clientMsgId: "c" }))).toEqual({ ...first, duplicate: true });
      clock.advance(2_000);
      const second = await stored(store, talk("ann", "bob", { clientMsgId: "c", body: "other" }));
      expect(second).toMatchObject({ seq: 22, duplicate: false });
      expect(await stored(store, talk("ann", "bob", { clientMsgId: "c", body: "other" }))).toEqual({
        ...second,
        duplicate: true,
      });
      for (let i = 0; i < 20; i++) await stored(store, talk("ann", "bob", { clientMsgId: `new ${i}` }));
    }
    expect(read(directory, "SELECT count(*) FROM dedupe WHERE client_msg_id LIKE 'old%'")).toBe(0n);
    expect(read(directory, "SELECT count(*) FROM dedupe")).toBe(21n);
  });

  test("a client id that waits in memory is forgotten in time, too", async () => {
    await using directory = await tempDir();
    const clock = new FakeClock();
    await using store = await openSqliteStore(options(directory, { clock }));
    await stored(store, talk("ann", "bob", { clientMsgId: "c" }));
    clock.advance(8 * DAY_MS);
    const second = await stored(store, talk("ann", "bob", { clientMsgId: "c", body: "other" }));
    expect(second).toMatchObject({ seq: 2, duplicate: false });
    expect(await store.append([talk("ann", "bob", { clientMsgId: "c" })])).toMatchObject([{ code: "DUPLICATE_ID" }]);
  });

  test("a request key for ten minutes; over a restart, for ten minutes before the newest message", async () => {
    await using directory = await tempDir();
    const clock = new FakeClock();
    const request = talk("ann", "bob", { key: { scope: "c1", n: 1, low: 1 } });
    const open = () => openSqliteStore(options(directory, { clock }));
    {
      await using store = await open();
      await stored(store, request);
    }
    for (const minutes of [9, 2]) {
      clock.advance(minutes * 60_000); // perhaps it was only set forward
      await using store = await open();
      expect(await stored(store, request)).toMatchObject({ seq: 1, duplicate: true });
    }
    {
      await using store = await open();
      await stored(store, talk("cy", "dan"));
    }
    await using store = await open();
    expect(await stored(store, request)).toMatchObject({ seq: 2, duplicate: false });
  });

  test("ids and send times grow although the clock was set back, in one run and over a restart", async () => {
    await using directory = await tempDir();
    const clock = new FakeClock();
    let last = { messageId: 0n, sendTime: 0n };
    for (let run = 0; run < 3; run++) {
      await using store = await openSqliteStore(options(directory, { clock, node: 2 - run }));
      for (let i = 0; i < 3; i++) {
        const next = await stored(store, talk("ann", "bob"));
        expect(next.messageId).toBeGreaterThan(last.messageId);
        expect(next.sendTime).toBeGreaterThan(last.sendTime);
        last = next;
        clock.jump(-3_600_000);
      }
    }
  });
});
