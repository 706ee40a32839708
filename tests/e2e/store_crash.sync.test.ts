import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import process from "node:process";
import { openSqliteStore } from "../../src/message/sqlite.ts";
import { type Child, ROOT, startScript } from "../support/processes.ts";
import { type TempDir, tempDir } from "../support/temp.ts";

// Syncs are made to fail with a library that is compiled here.
const skip = process.platform !== "linux" || spawnSync("cc", ["--version"]).status !== 0;

async function start(directory: TempDir, env: Record<string, string> = {}): Promise<Child> {
  const library = directory.in("bad_sync.so"), flag = directory.in("bad");
  spawnSync("cc", ["-shared", "-fPIC", "-o", library, `${ROOT}tests/e2e/store_crash.bad_sync.c`, "-ldl"]);
  return await startScript("tests/e2e/store_crash.sync.fixture.ts", [directory.in("data"), flag], {
    env: { LD_PRELOAD: library, BAD_SYNC: flag, ...env },
  });
}

/** Kills the process, lets the disk be well again, and opens what it left. */
async function bodies(directory: TempDir, child: Child): Promise<string[]> {
  await child.kill();
  rmSync(directory.in("bad"));
  await using store = await openSqliteStore({ directory: directory.in("data"), threads: false });
  return (await store.messages("kim", "bob", { after: 0, limit: 10 })).rows.map((row) => row.body);
}

describe("a disk whose syncs fail (needs Linux and cc)", () => {
  test.skipIf(skip)("a message that was refused does not come back after a crash", async () => {
    await using directory = await tempDir();
    await using child = await start(directory);
    await child.find(/refused SYSTEM\nlater SYSTEM false/);
    expect(await bodies(directory, child)).toEqual(["before"]);
  }, 30_000);

  test.skipIf(skip)("it would come back without the remedy: so then nobody is answered", async () => {
    await using directory = await tempDir();
    await using child = await start(directory, { PETREL_FAULT: "remedy=throw" });
    await child.find(/failed/);
    expect(await bodies(directory, child)).toEqual(["before", "while the disk fails"]);
    expect(child.stdout).toBe("failed\n");
  }, 30_000);
});
