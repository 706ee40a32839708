import { describe, expect, test } from "bun:test";
import { DatabaseSync } from "node:sqlite";
import { change, group, groupTalk } from "../../tests/contract/group_talk.ts";
import { stored, talk } from "../../tests/contract/message_talk.ts";
import { type TempDir, tempDir } from "../../tests/support/temp.ts";
import { FakeClock } from "../base/fake_clock.ts";
import { ImError } from "../base/errors.ts";
import type { AppendRequest } from "./message_store.ts";
import { openSqliteStore, type SqliteOptions, type SqliteStore } from "./sqlite.ts";

const DAY_MS = 24 * 3_600_000;
const crowd = (count: number) => Array.from({ length: count }, (_, i) => `m${i}`);

function open(directory: TempDir, over: Partial<SqliteOptions> = {}): Promise<SqliteStore> {
  return openSqliteStore({ directory: directory.path, sync: "normal", threads: false, faults: "", ...over });
}

/** One number from the database of a closed store. */
function read(directory: TempDir, sql: string): number {
  const db = new DatabaseSync(directory.in("messages.db"));
  const [value] = Object.values(db.prepare(sql).get() ?? {});
  db.close();
  return Number(value);
}

async function bodies(store: SqliteStore, account: string): Promise<string[]> {
  const { rows } = await store.messages("kim", account, { after: 0, limit: 100_000 });
  return rows.map((row) => row.body);
}

describe("rows of groups that wait in memory", () => {
  test("are written over several transactions, whatever a batch adds, and are the same after a restart", async () => {
    await using directory = await tempDir();
    const sent: AppendRequest[] = [];
    let commits: number;
    {
      await using store = await open(directory, { tailRows: 500 });
      const members = crowd(60);
      const { id: one } = await store.createGroup(group("m0", members));
      const { id: two } = await store.createGroup(group("m1", members.slice(0, 30)));
      // Long runs of one group, short ones of two, and pairs between them.
      for (let i = 0; i < 600; i++) {
        const body = `${i}`, sender = `m${i % 30}`;
        const dest = i < 200 || i % 7 ? one : two;
        sent.push(i % 11 ? groupTalk(sender, dest, { body }) : talk(sender, "m0", { body }));
      }
      for (const result of await store.append(sent)) expect(result).not.toBeInstanceOf(ImError);
      for (let i = 0; i < 200 && store.stats().behind; i++) await store.acked("kim", "m0", "");
      expect(store.stats().behind).toBe(false);
      expect(store.stats().waitingRows).toBeLessThan(4 * (2_000 + 1_200));
      commits = store.stats().commits;
      const all = sent.map((request) => request.body);
      expect(await bodies(store, "m0")).toEqual(all);
      expect((await bodies(store, "m59")).length).toBe(
        sent.filter((request) => request.group && request.dest === one).length,
      );
    }
    const written = read(directory, "SELECT count(*) FROM entries");
    expect(written).toBeGreaterThan(10_000);
    expect(commits).toBeGreaterThan(written / 4_000);
    await using store = await open(directory);
    expect(await bodies(store, "m0")).toEqual(sent.map((request) => request.body));
    const { rows } = await store.entries("kim", "m7", { after: 0, limit: 10_000 });
    expect(rows.map((row) => row.pos)).toEqual(rows.map((_, i) => i + 1));
  });

  test("come back from the messages after a commit failed, although members left since", async () => {
    await using directory = await tempDir();
    await using store = await open(directory);
    const { id } = await store.createGroup(group("ann", ["bob", "cat"]));
    await stored(store, groupTalk("ann", id, { body: "1" }));
    await store.quit(change(id, ["cat"]));
    await store.inject("before-commit=throw@1");
    expect(await store.append([groupTalk("ann", id)])).toMatchObject([{ code: "SYSTEM" }]);
    expect(await stored(store, groupTalk("ann", id, { body: "2" }))).toMatchObject({ seq: 2, senderPos: 2 });
    expect(await bodies(store, "cat")).toEqual(["1"]);
    expect(await bodies(store, "bob")).toEqual(["1", "2"]);
  });

  test("stay bounded: a group is read again after many others were used", async () => {
    await using directory = await tempDir();
    await using store = await open(directory, { cachedLogs: 20, tailRows: 0, inboxGroup: 10 });
    const ids: string[] = [];
    for (let i = 0; i < 60; i++) ids.push((await store.createGroup(group(`o${i}`, crowd(9)))).id);
    for (let round = 1; round <= 2; round++) {
      for (const [i, id] of ids.entries()) {
        const answer = await stored(store, groupTalk(`o${i}`, id));
        expect([answer.seq, answer.senderPos, answer.fan?.length]).toEqual([round, round, 10]);
      }
    }
    expect(store.stats().cachedLogs).toBeLessThan(60);
    expect((await store.heads("kim", ["m0"]))[0]?.pos).toBe(120);
  });
});

describe("removal", () => {
  const many = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => talk(`a${i % 5}`, `b${i % 7}`, { body: `${from + i}` }));

  test("makes room for what comes: the file does not grow", async () => {
    await using directory = await tempDir();
    const pages = () => read(directory, "PRAGMA page_count");
    const round = async (from: number) => {
      await using store = await open(directory, { tailRows: 0 });
      await store.append(many(from, 3_000));
      const last = await stored(store, talk("ann", "bob"));
      expect(await store.removeBefore(last.sendTime, 100_000)).toBeGreaterThanOrEqual(3_000);
    };
    await round(0);
    const first = pages();
    for (let i = 1; i <= 3; i++) await round(i * 3_000);
    expect(pages()).toBeLessThan(first * 1.1);
    expect(read(directory, "SELECT count(*) FROM messages")).toBe(1);
    expect(read(directory, "SELECT count(*) FROM entries")).toBe(3);
  });

  test("that fails in the middle is told, and goes on the next time", async () => {
    for (const nth of [1, 2, 5, 9]) {
      await using directory = await tempDir();
      {
        await using store = await open(directory, { tailRows: 400 });
        await store.append(many(0, 1_500));
        const young = await stored(store, talk("a0", "b0", { body: "young" }));
        await store.inject(`before-commit=throw@${nth}`);
        const error: unknown = await store.removeBefore(young.sendTime, 10_000).catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({ code: "SYSTEM" });
        const [removed] = await Promise.all([
          store.removeBefore(young.sendTime, 10_000),
          store.append([talk("a0", "b0", { body: "younger" })]),
        ]);
        expect(removed).toBeLessThanOrEqual(1_500);
        expect(await bodies(store, "b0")).toEqual(["young", "younger"]);
        expect(await bodies(store, "b1")).toEqual([]);
        expect((await store.heads("kim", ["a0"]))[0]).toMatchObject({ pos: 302, trimmed: 300 });
      }
      expect(read(directory, "SELECT count(*) FROM messages")).toBe(2);
      await using store = await open(directory);
      expect(await stored(store, talk("a0", "b0"))).toMatchObject({ senderPos: 303 });
    }
  });

  test("keeps a client id for its seven days, not longer", async () => {
    await using directory = await tempDir();
    const clock = new FakeClock();
    await using store = await open(directory, { clock, tailRows: 0 });
    const request = talk("ann", "bob", { clientMsgId: "c" });
    const first = await stored(store, request);
    expect(await store.removeBefore(first.sendTime + 1n, 10)).toBe(1);
    clock.advance(7 * DAY_MS - 1_000);
    expect(await stored(store, request)).toEqual({ ...first, duplicate: true });
    clock.advance(2_000);
    const second = await stored(store, { ...request, body: "other" });
    expect(second).toMatchObject({ seq: 2, duplicate: false });
    expect(await stored(store, { ...request, body: "other" })).toEqual({ ...second, duplicate: true });
  });

  test("goes on when the clock goes back to where a client id of a removed message counted", async () => {
    await using directory = await tempDir();
    const clock = new FakeClock();
    await using store = await open(directory, { clock, tailRows: 0 });
    const request = talk("ann", "bob", { clientMsgId: "c" });
    await stored(store, request);
    clock.advance(8 * DAY_MS);
    expect(await store.removeBefore(BigInt(clock.now()) * 1_000_000n, 10)).toBe(1);
    clock.jump(-2 * DAY_MS);
    const [beside, again] = await store.append([talk("cat", "dan"), request]);
    expect(beside).toMatchObject({ seq: 1, duplicate: false });
    expect(again).toMatchObject({ seq: 2, duplicate: false });
    expect(await stored(store, request)).toMatchObject({ seq: 2, duplicate: true });
  });
});
