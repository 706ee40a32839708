import { expect, test } from "bun:test";
import { tempDir } from "../../tests/support/temp.ts";
import { ImError } from "../base/errors.ts";
import { openSqliteStore } from "./sqlite.ts";

test("many reads of one tick are answered each with its own, errors included, also when the store is closed behind them", async () => {
  await using directory = await tempDir();
  const store = await openSqliteStore({ directory: directory.path, sync: "normal" });
  const append = { app: "kim", sender: "ann", type: 1, body: "", extra: "", startBy: Infinity };
  for (let i = 0; i < 50; i++) await store.append([{ ...append, dest: `bob${i}` }]);
  const stored = await store.append([{ ...append, dest: "bob7" }]);
  const last = stored[0];
  if (!last || last instanceof ImError) throw last ?? new Error("nothing was stored");
  const reads = Array.from({ length: 50 }, (_, i) => [
    store.position("kim", i === 7 ? "bob7" : "cat", last.messageId),
    store.members("kim", `none${i}`, undefined, 10).then(() => "members", (error: ImError) => error.code),
    store.acked("kim", `bob${i}`, ""),
  ]).flat();
  await store[Symbol.asyncDispose]();
  expect(await Promise.all(reads)).toEqual(
    Array.from({ length: 50 }, (_, i) => [i === 7 ? 2 : undefined, "INVALID_BODY", 0]).flat(),
  );
  await expect(store.acked("kim", "ann", "")).rejects.toMatchObject({ code: "CLOSED" });
});
