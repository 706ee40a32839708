import { expect, test } from "bun:test";
import { silent } from "../base/logger.ts";
import { settle } from "./fake_server.ts";
import { type ClientStorage, type SavedPosition, StorageWriter } from "./storage.ts";

test("StorageWriter never overlaps calls, and positions that pile up become one write of the latest", async () => {
  const done: string[] = [];
  const gates: (() => void)[] = [];
  const gate = (what: string) => new Promise<void>((resolve) => gates.push(() => (done.push(what), resolve())));
  const storage: ClientStorage = {
    load: () => Promise.resolve({}),
    savePosition: ({ cursor }) => gate(`position ${cursor}`),
    saveMessage: ({ id }) => gate(`message ${id}`),
    dropMessage: (id) => gate(`drop ${id}`),
  };
  const writer = new StorageWriter(storage, silent);
  let cursor = 1;
  const read = (): SavedPosition => ({ cursor, epoch: "one", seen: [] });
  writer.position(read);
  await settle();
  for (cursor = 2; cursor < 10; cursor++) writer.position(read);
  writer.message({ id: "a", dest: "ann", group: false, type: 1, body: "", extra: "", createdMs: 0 });
  writer.drop("a");
  for (let i = 0; i < 4; i++) {
    expect(gates).toHaveLength(1);
    gates.shift()!();
    await settle();
  }
  await writer.idle();
  expect(done).toEqual(["position 1", "position 10", "message a", "drop a"]);
});
