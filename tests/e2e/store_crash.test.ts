import { describe, expect, test } from "bun:test";
import { openSqliteStore } from "../../src/message/sqlite.ts";
import { startScript } from "../support/processes.ts";
import { tempDir } from "../support/temp.ts";
import { crashRounds } from "./store_crash.ts";

describe("a store whose process is killed", () => {
  test("has everything it answered, without holes, and nothing twice", async () => {
    expect(await crashRounds({ rounds: 3, seed: 11, log: () => {} })).toBeGreaterThan(0);
  }, 60_000);

  test("keeps its folder to itself while it lives, and not a moment longer", async () => {
    await using directory = await tempDir();
    await using child = await startScript("tests/e2e/store_crash.fixture.ts", [directory.path, "lock"]);
    await child.find(/open\n/);
    const refused: unknown = await openSqliteStore({ directory: directory.path }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "CONFIG" });
    expect(String(refused)).toContain(
      `data folder ${directory.path}: it is in use by another process (pid ${child.pid})`,
    );
    await child.kill();
    await using store = await openSqliteStore({ directory: directory.path });
    expect(store.health().writable).toBe(true);
  }, 30_000);
});
