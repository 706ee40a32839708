import { expect, test } from "bun:test";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { tempDir } from "../../tests/support/temp.ts";
import { chatFile, FileStorage } from "./chat_storage.ts";

const message = (id: string) => ({ id, dest: "bob", group: false, type: 1, body: "hi", extra: "", createdMs: 5 });
const position = { cursor: 7, epoch: "one", seen: ["9007199254740993"], groups: { g1: 3 } };

test.each([
  ["kim", "ann", "terminal", "d/chat/ann.json"],
  ["kim", "ann", "left", "d/chat/ann@left.json"],
  ["shop", "ann", "terminal", "d/chat/shop/ann.json"],
])("the place of %s, %s, %s is %s", (app, account, device, path) => {
  expect(chatFile("d", app, account, device)).toBe(path);
});

test("what was saved is there in the next run; the file is replaced, never half written", async () => {
  await using dir = await tempDir();
  const path = dir.in("chat", "ann.json");
  const first = new FileStorage(path, true);
  expect(await first.load()).toEqual({});
  await first.saveMessage(message("a"));
  await first.saveMessage(message("b"));
  await first.savePosition(position);
  await first.dropMessage("a");
  await first.dropMessage("unknown");
  expect(await new FileStorage(path, true).load()).toEqual({ position, messages: [message("b")] });
  expect(await readdir(dir.in("chat"))).toEqual(["ann.json"]);
});

test("one that keeps no messages leaves those of others alone and sends none of them", async () => {
  await using dir = await tempDir();
  const path = dir.in("ann.json");
  const terminal = new FileStorage(path, true);
  await terminal.saveMessage(message("a"));
  const pipe = new FileStorage(path, false);
  expect(await pipe.load()).toEqual({ messages: [] });
  await pipe.saveMessage(message("b"));
  await pipe.savePosition(position);
  expect(await new FileStorage(path, true).load()).toEqual({ position, messages: [message("a")] });
});

test.each([
  ["not JSON"],
  ["[]"],
  ["null"],
  ['{"position":{"cursor":-1,"epoch":"one","seen":[]}}'],
  ['{"position":{"cursor":1,"epoch":"one"}}'],
  ['{"position":{"cursor":1,"epoch":"one","seen":["x"]}}'],
  ['{"position":{"cursor":1,"epoch":"one","seen":[],"groups":{"g1":"7"}}}'],
  ['{"messages":[{"id":1}]}'],
  ['{"messages":7}'],
])("a file that says %s is not guessed at", async (text) => {
  await using dir = await tempDir();
  const path = dir.in("ann.json");
  await writeFile(path, text);
  const storage = new FileStorage(path, true);
  const says = (promise: Promise<unknown>) => promise.then(() => undefined, (thrown: Error) => thrown.message);
  expect(await says(storage.load())).toContain("remove it to begin anew");
  expect(await says(storage.savePosition({ cursor: 1, epoch: "one", seen: [] }))).toContain("remove it to begin anew");
  expect(await readFile(path, "utf8")).toBe(text);
});
