import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { ImError } from "../../src/base/errors.ts";
import { openSqliteStore } from "../../src/message/sqlite.ts";
import { talk } from "../contract/message_talk.ts";
import { tempDir } from "../support/temp.ts";

/** A small disk of its own in that folder; undefined where this user may not mount one. */
function mount(path: string): (Disposable & { readOnly(): void }) | undefined {
  mkdirSync(path);
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", path]).status !== 0) return undefined;
  return {
    readOnly: () => void spawnSync("mount", ["-o", "remount,ro", path]),
    [Symbol.dispose]: () => void spawnSync("umount", ["-l", path]),
  };
}

async function mayMount(): Promise<boolean> {
  await using directory = await tempDir();
  using disk = mount(directory.in("disk"));
  return disk !== undefined;
}

const skip = !await mayMount();
const request = talk("ann", "bob", { body: "x".repeat(1_000) });

async function openingFails(directory: string): Promise<ImError> {
  const thrown: unknown = await openSqliteStore({ directory, threads: false }).catch((error: unknown) => error);
  if (thrown instanceof ImError) return thrown;
  throw new Error("It opened");
}

describe("a full disk (needs the right to mount)", () => {
  test.skipIf(skip)("refuses what does not fit, keeps what it answered, goes on when there is room", async () => {
    await using directory = await tempDir();
    using _disk = mount(directory.in("disk"));
    const filler = directory.in("disk", "filler");
    writeFileSync(filler, new Uint8Array(3 << 20));
    await using store = await openSqliteStore({ directory: directory.in("disk", "data"), tailRows: 50 });
    let answered = 0, refused = 0;
    for (let i = 0; i < 400; i++) {
      const [result] = await store.append([request]);
      if (result instanceof ImError) {
        expect(result).toMatchObject({ code: "SYSTEM", message: "Cannot store: the disk is full" });
        refused++;
      } else expect(result?.seq).toBe(++answered);
    }
    expect(answered).toBeGreaterThan(20);
    expect(refused).toBeGreaterThan(20);
    expect(store.health().writable).toBe(false);
    rmSync(filler);
    expect(await store.append([request])).toMatchObject([{ seq: answered + 1 }]);
    expect(store.health().writable).toBe(true);
    const { rows } = await store.entries("kim", "bob", { after: 0, limit: 1_000 });
    expect(rows.map((row) => row.pos)).toEqual(Array.from({ length: answered + 1 }, (_, i) => i + 1));
  });

  test.skipIf(skip)("and a read-only one are told at the start", async () => {
    await using directory = await tempDir();
    using disk = mount(directory.in("disk"));
    const data = directory.in("disk", "data");
    await (await openSqliteStore({ directory: data, threads: false }))[Symbol.asyncDispose]();
    try {
      writeFileSync(directory.in("disk", "filler"), new Uint8Array(5 << 20));
    } catch { /* as much as there was room for */ }
    for (const folder of [data, directory.in("disk", "new")]) {
      const error = await openingFails(folder);
      expect(error).toMatchObject({ code: "CONFIG" });
      expect(error.message).toMatch(/full|no space/i);
      expect(error.message).toContain(folder);
    }
    disk?.readOnly();
    for (const folder of [data, directory.in("disk", "new")]) {
      const error = await openingFails(folder);
      expect(error).toMatchObject({ code: "CONFIG" });
      expect(error.message).toMatch(/read-only/i);
      expect(error.message).toContain(folder);
    }
  });
});
