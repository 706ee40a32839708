import { describe, expect, test } from "bun:test";
import { readdirSync, readlinkSync } from "node:fs";
import { stored, talk } from "../../tests/contract/message_talk.ts";
import { type TempDir, tempDir } from "../../tests/support/temp.ts";
import { sleep, systemClock } from "../base/clock.ts";
import { type Logger, silent } from "../base/logger.ts";
import type { ImError } from "../base/errors.ts";
import { openSqliteStore, type SqliteOptions, type SqliteStore } from "./sqlite.ts";

const PLACES = [{ where: "in workers", threads: true }, { where: "in this thread", threads: false }];

function open(directory: TempDir, threads: boolean, over: Partial<SqliteOptions> = {}): Promise<SqliteStore> {
  return openSqliteStore({ directory: directory.path, sync: "normal", threads, faults: "", ...over });
}

/** Whether a promise has settled after the store had every chance to. */
async function settles(promise: Promise<unknown>, store: SqliteStore): Promise<boolean> {
  let settled = false;
  promise.then(() => settled = true, () => settled = true);
  for (let i = 0; i < 20; i++) await store.acked("kim", "ann", "");
  return settled;
}

/** Files below a folder that this process has open. Threads end a little later than they say. */
function openFiles(folder: string): string[] {
  try {
    return readdirSync("/proc/self/fd").map(target).filter((path) => path.startsWith(folder));
  } catch { // not Linux: then twenty times is the test
    return [];
  }
}

function target(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch { // closed since the folder was listed
    return "";
  }
}

describe("when the disk fails", () => {
  test.each(PLACES)("full: SYSTEM until there is room, then on as before, $where", async ({ threads }) => {
    await using directory = await tempDir();
    const logged: string[] = [];
    const log = (message: string) => void logged.push(message);
    const logger: Logger = { ...silent, info: log, error: log };
    await using store = await open(directory, threads, { logger });
    await stored(store, talk("ann", "bob"));
    await store.inject("sync=full@1,sync=full@1");
    for (let i = 0; i < 2; i++) {
      expect(await store.append([talk("ann", "bob"), talk("bob", "ann")])).toMatchObject([
        { code: "SYSTEM" },
        { code: "SYSTEM" },
      ]);
      expect(store.health()).toEqual({ writable: false, problem: "Cannot store: the disk is full" });
      expect((await store.heads("kim", ["ann", "bob"])).map((head) => head.pos)).toEqual([1, 1]);
    }
    expect(await stored(store, talk("ann", "bob"))).toMatchObject({ seq: 2, senderPos: 2, receiverPos: 2 });
    expect(store.health()).toEqual({ writable: true, problem: undefined });
    expect(logged).toEqual(["store opened", "store cannot write", "store writes again"]);
    expect(store.stats()).toMatchObject({ failedCommits: 2, commits: 2 });
  });

  test.each(PLACES)(
    "full: what came again stays refused, and the next commit keeps that, $where",
    async ({ threads }) => {
      await using directory = await tempDir();
      const lost = talk("ann", "bob", { key: { scope: "c", n: 1, low: 1 } });
      {
        await using store = await open(directory, threads);
        await stored(store, talk("ann", "bob"));
        await store.inject("sync=full@1,sync=full@1");
        for (let i = 0; i < 2; i++) {
          expect(await store.append([{ ...lost, again: true }])).toMatchObject([{ code: i === 0 ? "SYSTEM" : "BUSY" }]);
        }
        expect(await store.append([lost])).toMatchObject([{ code: "BUSY" }]);
        expect(store.health().writable).toBe(true);
      }
      await using store = await open(directory, threads);
      expect(await store.append([lost])).toMatchObject([{ code: "BUSY" }]);
      expect((await store.heads("kim", ["ann"]))[0]?.pos).toBe(1);
    },
  );

  test.each(PLACES)("a failed sync: SYSTEM, then no writes until a restart, $where", async ({ threads }) => {
    await using directory = await tempDir();
    {
      await using store = await open(directory, threads);
      const known = talk("ann", "bob", { clientMsgId: "c" });
      const first = await stored(store, known);
      await store.inject("sync=io@1");
      const results = await store.append([talk("ann", "bob"), talk("cat", "ann")]);
      expect(results).toMatchObject([{ code: "SYSTEM" }, { code: "SYSTEM" }]);
      const [later, again] = await store.append([talk("ann", "bob"), known]);
      expect(later).toMatchObject({ code: "SYSTEM" });
      expect(String(later)).toContain("restart");
      expect(again).toEqual({ ...first, duplicate: true });
      const refused: unknown = await store.ack("kim", "bob", "", 1).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "SYSTEM" });
      expect(store.health().writable).toBe(false);
      expect(store.health().problem).toContain("restart");
      expect((await store.messages("kim", "bob", { after: 0, limit: 9 })).rows.map((row) => row.seq)).toEqual([1]);
    }
    await using store = await open(directory, threads);
    expect(store.health().writable).toBe(true);
    expect(await stored(store, talk("ann", "bob"))).toMatchObject({ seq: 2 });
    expect((await store.heads("kim", ["cat"]))[0]?.pos).toBe(0);
  });

  test.each(PLACES)("a failed sync that cannot be undone is never answered, $where", async ({ threads }) => {
    await using directory = await tempDir();
    await using store = await open(directory, threads);
    await stored(store, talk("ann", "bob"));
    await store.inject("sync=io@1,remedy=throw@1");
    const doomed = store.append([talk("ann", "bob")]);
    const ack = store.ack("kim", "bob", "", 1);
    expect((await store.failed).message).toContain("may come back after a restart");
    expect(await store.append([talk("ann", "bob")])).toMatchObject([{ code: "SYSTEM" }]);
    const again = store.append([talk("ann", "bob", { again: true })]); // nobody can look: the answer is none
    expect(await again.catch((error: ImError) => error.code)).toBe("CLOSED");
    expect(await settles(Promise.race([doomed, ack]), store)).toBe(false);
    expect(store.health().writable).toBe(false);
    expect(store.health().problem).toContain("has stopped");
  });

  test.each(PLACES)("what failed behind a commit is never answered, and is stored, $where", async ({ threads }) => {
    await using directory = await tempDir();
    {
      await using store = await open(directory, threads, { faults: "after-commit=throw@2" });
      await stored(store, talk("ann", "bob"));
      const doomed = store.append([talk("ann", "bob"), ...Array.from({ length: 300 }, () => talk("ann", "bob"))]);
      await store.failed;
      expect(await settles(doomed, store)).toBe(false);
    }
    await using store = await open(directory, threads);
    expect((await store.heads("kim", ["ann"]))[0]?.pos).toBe(257);
  });

  test.each(PLACES)("one transaction of a long call fails, the others stay, $where", async ({ threads }) => {
    await using directory = await tempDir();
    await using store = await open(directory, threads, { faults: "before-commit=throw@2" });
    const results = await store.append(Array.from({ length: 600 }, () => talk("ann", "bob")));
    const codes = results.map((one) => "code" in one ? one.code : "stored");
    expect(codes).toEqual(codes.map((_, i) => i >= 256 && i < 512 ? "SYSTEM" : "stored"));
    expect((await store.entries("kim", "bob", { after: 0, limit: 999 })).rows.length).toBe(344);
  });

  test("a slow disk delays answers, not the thread that asks", async () => {
    await using directory = await tempDir();
    await using store = await open(directory, true, { faults: "sync=delay:150" });
    const pending = store.append([talk("ann", "bob")]);
    let turns = 0;
    const timer = setInterval(() => turns++, 5);
    await pending;
    clearInterval(timer);
    expect(turns).toBeGreaterThan(5);
  });
});

describe("disposal", () => {
  test.each(PLACES)("twenty times open and closed leaves nothing open, $where", async ({ threads }) => {
    await using directory = await tempDir();
    for (let i = 0; i < 20; i++) {
      await using store = await open(directory, threads);
      const pending = store.append([talk("ann", "bob")]);
      const page = store.entries("kim", "bob", { after: 0, limit: 1 });
      page.catch(() => {});
      await store[Symbol.asyncDispose]();
      expect(await pending).toMatchObject([{ seq: i + 1 }]);
      await page.catch((error: unknown) => expect(error).toMatchObject({ code: "CLOSED" }));
    }
    for (let i = 0; i < 100 && openFiles(directory.path).length > 0; i++) await sleep(systemClock, 20);
    expect(openFiles(directory.path)).toEqual([]);
  }, 60_000);
});
