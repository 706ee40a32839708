import { writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import * as runtime from "#runtime";
import { tempDir } from "../../tests/support/temp.ts";
import { silent } from "../base/logger.ts";
import { groupMain } from "./group.ts";
import { printed } from "./printed.fixture.ts";
import { startRoyal } from "./royal_system.ts";

const SECRET = "the-cluster-secret-of-this-test";

/** A store, and `petrel group` that asks it. */
async function stand() {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const own = { royal: { hostname: "127.0.0.1", port: 0 }, clusterSecret: SECRET, database: undefined } as const;
  const store = { data: folder.in("royal"), sync: "normal", inboxGroup: 2, retentionDays: 0 } as const;
  const royal = stack.use(await startRoyal({ ...own, ...store }, runtime, silent));
  const file = (...accounts: string[]): string => {
    writeFileSync(folder.in("accounts.txt"), `${accounts.join("\n")}\n`);
    return folder.in("accounts.txt");
  };
  const all = stack.move();
  return {
    file,
    group: (...args: string[]) => printed(() => groupMain([...args, "--url", royal.url, "--secret", SECRET])),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

test("petrel group makes a group, fills it, empties it and says who is in", async () => {
  await using all = await stand();
  const { group, file } = all;
  const created = await group("create", "--owner", "ann", "--name", "All", "--file", file("bob", "", " cat "));
  expect(created).toMatchObject({ code: 0 });
  const id = created.out;
  expect((await group("members", "--group", id)).out.split("\n").sort()).toEqual(["ann", "bob", "cat"]);
  const shown = await group("show", "--group", id);
  expect(JSON.parse(shown.out)).toMatchObject({ id, owner: "ann", name: "All", large: true });
  expect(await group("add", "--group", id, "--file", file("bob", "dan"))).toMatchObject({ code: 0 });
  expect((await group("members", "--group", id)).out.split("\n").sort()).toEqual(["ann", "bob", "cat", "dan"]);
  const rest = await group("remove", "--group", id, "--skip", "1", "--file", file("bob", "cat", "dan"));
  expect(rest).toMatchObject({ code: 0 });
  expect((await group("members", "--group", id)).out.split("\n").sort()).toEqual(["ann", "bob"]);
});

test("petrel group says what cannot be", async () => {
  await using all = await stand();
  const { group, file } = all;
  expect(await group("fill", "--group", "1")).toMatchObject({ code: 2, err: expect.stringContaining("one of create") });
  expect((await group("create", "--group", "1", "--skip", "x")).err.split("\n")).toEqual([
    "--group is given by the store",
    "--owner is missing, or is no name",
    '--skip is "x": expected a whole number',
    "petrel group --help lists all options",
  ]);
  expect(await group("show", "--group", "1")).toMatchObject({ code: 1, err: expect.stringContaining("no such group") });
  const wrong = await group("add", "--group", "1", "--file", file("bob", "a b"));
  expect(wrong).toMatchObject({ code: 2, err: 'Line 2 is "a b": expected a name' });
  expect((await group("--help")).out).toContain("petrel group add|remove");
});
