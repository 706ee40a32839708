import { describe, expect, test } from "bun:test";
import { type Archive, ForgivingArchive, MemoryArchive } from "../../src/web/archive.ts";
import { clientIdOf, entryOfMessage, entryOfSent, merged } from "../../src/web/entry.ts";
import { entry, own } from "./entry.fixture.ts";

describe("the archive", () => {
  test("keeps a message once, and what is stored stays so", async () => {
    const archive = new MemoryArchive();
    await archive.put(own({ key: "c:1", state: "sending" }));
    await archive.put(own({ key: "c:1", state: "durable", seq: 1, messageId: "7" }));
    await archive.put(own({ key: "c:1", state: "sending" }));
    await archive.put(entry({ key: "m:8", seq: 2 }));
    await archive.drop("m:9");
    const { entries } = await archive.load();
    expect(entries.map(({ key, state }) => `${key} ${state}`)).toEqual(["c:1 durable", "m:8 received"]);
  });

  test("reading only goes forward", async () => {
    const archive = new MemoryArchive();
    await archive.read("user:bob", 5);
    await archive.read("user:bob", 3);
    expect((await archive.load()).read).toEqual([["user:bob", 5]]);
  });

  test("the newest word about a group counts", async () => {
    const archive = new MemoryArchive();
    const facts = { key: "group:1", name: "Lunch", memberCount: 3, member: true };
    await archive.group(facts);
    await archive.group({ ...facts, member: false });
    expect((await archive.load()).groups).toEqual([{ ...facts, member: false }]);
  });

  test("one that fails is told once and then left alone", async () => {
    let calls = 0;
    const broken: Archive = {
      load: () => Promise.resolve({ entries: [], read: [], groups: [] }),
      put: () => Promise.reject(new Error(`full ${++calls}`)),
      drop: () => Promise.resolve(),
      read: () => Promise.resolve(),
      group: () => Promise.resolve(),
    };
    const told: unknown[] = [];
    const archive = new ForgivingArchive(broken, (thrown) => told.push(thrown));
    await Promise.all([archive.put(entry({ key: "m:1" })), archive.put(entry({ key: "m:2" }))]);
    await archive.put(entry({ key: "m:3" }));
    await archive.drop("m:1");
    expect(await archive.load()).toEqual({ entries: [], read: [], groups: [] });
    expect([calls, told.length]).toEqual([2, 1]);
  });
});

describe("entries", () => {
  const message = {
    messageId: 12n,
    sendTime: 1_700_000_000_123_456_789n,
    sender: "bob",
    peer: "bob",
    group: false,
    own: false,
    type: 1,
    body: "hi",
    extra: "",
    seq: 4,
    pos: 9,
    clientMsgId: "from-bob",
  };

  test("a received message is known by its id, its time is the server's", () => {
    expect(entryOfMessage(message)).toMatchObject({
      key: "m:12",
      conversation: "user:bob",
      timeMs: 1_700_000_000_123,
      state: "received",
    });
    expect(entryOfMessage({ ...message, group: true, peer: "g1" }).conversation).toBe("group:g1");
  });

  test("our own message has one key, sent here or seen by another tab", () => {
    const seen = entryOfMessage({ ...message, own: true, sender: "ann", clientMsgId: "id-1" });
    const sent = entryOfSent(
      {
        id: "id-1",
        dest: "bob",
        group: false,
        type: 1,
        body: "hi",
        extra: "",
        createdMs: 1,
        state: "sending",
        receipt: undefined,
        error: undefined,
        done: Promise.resolve({ messageId: 0n, sendTime: 0n, seq: 0 }),
      },
      "ann",
    );
    expect(sent).toMatchObject({ key: "c:id-1", state: "sending", timeMs: 1, seq: 0, messageId: "" });
    expect(seen).toMatchObject({ key: sent.key, state: "durable" });
    expect(merged(seen, sent)).toBe(seen);
    expect(merged(sent, seen)).toBe(seen);
    expect([clientIdOf(sent), clientIdOf(entryOfMessage(message))]).toEqual(["id-1", ""]);
  });
});
