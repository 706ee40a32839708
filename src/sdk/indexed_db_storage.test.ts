import { describe, expect, test } from "bun:test";
import { IDBFactory } from "fake-indexeddb";
import { FakeClock } from "../base/fake_clock.ts";
import { ImError } from "../base/errors.ts";
import { fakeClient, FakeServer, onlineClient, settle } from "./fake_server.ts";
import type { Database, Databases, Request } from "./indexed_db.ts";
import { IndexedDbStorage } from "./indexed_db_storage.ts";
import type { SavedMessage } from "./storage.ts";

const message = (id: string, more: Partial<SavedMessage> = {}): SavedMessage => (
  { id, dest: "ann", group: false, type: 1, body: `body ${id}`, extra: "", createdMs: 7, ...more }
);
const position = { cursor: 3, epoch: "one", seen: ["11", "12"], groups: { g1: 4 }, sent: { me: [1, 7, 9, 9] } };
const ids = async (storage: IndexedDbStorage) => ((await storage.load()).messages ?? []).map(({ id }) => id);
const codeOf = (promise: Promise<unknown>) =>
  promise.then(() => undefined, (error: unknown) => error instanceof ImError ? error.code : error);

/** An IndexedDB whose databases can be reached from outside, and whose calls can be made to fail. */
function databases() {
  const inner: Databases = new IDBFactory();
  const opened: Database[] = [];
  const faults: { open?: unknown } = {};
  const open = (name: string, version: number): Request<Database> => {
    if (faults.open) throw faults.open;
    const request = inner.open(name, version);
    request.addEventListener("success", () => opened.push(request.result));
    return request;
  };
  return { inner, opened, faults, it: { open, deleteDatabase: (name: string) => inner.deleteDatabase(name) } };
}

describe("IndexedDbStorage", () => {
  test("gives an empty object's worth at first, and later what was saved", async () => {
    const { it } = databases();
    const storage = new IndexedDbStorage("ann", it);
    expect(await storage.load()).toEqual({ messages: [] });
    await storage.savePosition({ ...position, cursor: 2 });
    await storage.savePosition(position);
    await storage.saveMessage(message("a"));
    expect(await new IndexedDbStorage("ann", it).load()).toEqual({ position, messages: [message("a")] });
    expect(await new IndexedDbStorage("eve", it).load()).toEqual({ messages: [] });
  });

  test("keeps messages in the order they were saved; saved again one keeps its place", async () => {
    const { it } = databases();
    const storage = new IndexedDbStorage("ann", it);
    for (const id of ["b", "a", "c"]) await storage.saveMessage(message(id));
    await storage.saveMessage(message("a", { body: "changed" }));
    await storage.dropMessage("b");
    await storage.dropMessage("never there");
    await storage.saveMessage(message("b"));
    const next = new IndexedDbStorage("ann", it);
    expect(await next.load()).toEqual({ messages: [message("a", { body: "changed" }), message("c"), message("b")] });
    await next.saveMessage(message("d"));
    expect(await ids(next)).toEqual(["a", "c", "b", "d"]);
  });

  test("hostile bodies come back as they were", async () => {
    const { it } = databases();
    const body = `<script>alert(1)</script>\u202Eabc\u0000\uD800${"🙂".repeat(5_000)}`;
    await new IndexedDbStorage("ann", it).saveMessage(message("a", { body, extra: "\u2066{}" }));
    expect((await new IndexedDbStorage("ann", it).load()).messages).toEqual([
      message("a", { body, extra: "\u2066{}" }),
    ]);
  });

  test.each([
    [{ cursor: "3", epoch: "one", seen: [] }],
    [{ cursor: 3, epoch: "one", seen: [], groups: { g1: "4" } }],
    [{ cursor: 3, epoch: "one", seen: [], sent: { me: ["1", 7] } }],
    [{ cursor: 3, epoch: "one", seen: [], sent: { me: 7 } }],
  ])("what is in there and no message or position of ours is left out: %j", async (stored) => {
    const { it, inner } = databases();
    const storage = new IndexedDbStorage("ann", it);
    await storage.saveMessage(message("a"));
    await new Promise<void>((resolve) => {
      const request = inner.open("ann", 1);
      request.addEventListener("success", () => {
        const transaction = request.result.transaction(["state", "messages"], "readwrite");
        transaction.objectStore("state").put(stored, "position");
        transaction.objectStore("messages").put({ id: "x", dest: 1 });
        transaction.addEventListener("complete", () => resolve());
      });
    });
    expect(await storage.load()).toEqual({ messages: [message("a")] });
  });

  test("the client that used it last has it; the one before is told and disturbs nothing", async () => {
    const { it } = databases();
    const first = new IndexedDbStorage("ann", it);
    await first.load();
    await first.saveMessage(message("a"));
    const second = new IndexedDbStorage("ann", it);
    await second.load();
    await second.savePosition(position);
    expect(await codeOf(first.savePosition({ ...position, cursor: 1 }))).toBe("STORAGE_TAKEN");
    expect(await codeOf(first.dropMessage("a"))).toBe("STORAGE_TAKEN");
    expect(await second.load()).toEqual({ position, messages: [message("a")] });
    await first.load(); // on purpose
    expect(await codeOf(second.savePosition(position))).toBe("STORAGE_TAKEN");
  });
});

describe("IndexedDbStorage fails with", () => {
  test("STORAGE_MISSING where there is no IndexedDB", async () => {
    expect("indexedDB" in globalThis).toBe(false);
    expect(await codeOf(IndexedDbStorage.open("ann"))).toBe("STORAGE_MISSING");
    expect(await codeOf(new IndexedDbStorage("ann").load())).toBe("STORAGE_MISSING");
    expect(await codeOf(IndexedDbStorage.delete("ann"))).toBe("STORAGE_MISSING");
  });

  test.each([
    ["SecurityError", "STORAGE_DENIED"],
    ["NotAllowedError", "STORAGE_DENIED"],
    ["InvalidStateError", "STORAGE_DENIED"],
    ["QuotaExceededError", "STORAGE_FULL"],
    ["UnknownError", "STORAGE_FAILED"],
  ])("when opening throws a %s: %s; and works when it no longer does", async (name, code) => {
    const { it, faults } = databases();
    faults.open = new DOMException("no", name);
    const storage = new IndexedDbStorage("ann", it);
    expect(await codeOf(storage.savePosition(position))).toBe(code as string);
    faults.open = undefined;
    await storage.savePosition(position);
    expect((await storage.load()).position).toEqual(position);
  });

  test("STORAGE_FAILED for a database of a newer version", async () => {
    const { it, inner } = databases();
    await new Promise<void>((resolve) => {
      const request = inner.open("ann", 9);
      request.addEventListener("success", () => (request.result.close(), resolve()));
    });
    expect(await codeOf(IndexedDbStorage.open("ann", it))).toBe("STORAGE_FAILED");
  });

  test("STORAGE_BLOCKED when an older version stays open elsewhere", async () => {
    const { it, inner } = databases();
    const older = async (name: string) => {
      const request = inner.open(name, 1);
      await new Promise<void>((resolve) => request.addEventListener("success", () => resolve()));
      return request.result;
    };
    const other = await older("ann");
    const newer = { ...it, open: (name: string) => inner.open(name, 2) };
    expect(await codeOf(IndexedDbStorage.open("ann", newer))).toBe("STORAGE_BLOCKED");
    other.close(); // now the newer one opens, and must not stay open itself
    await IndexedDbStorage.delete("ann", it);
    await older("eve");
    expect(await codeOf(IndexedDbStorage.delete("eve", it))).toBe("STORAGE_BLOCKED");
  });

  test("STORAGE_FULL when a transaction is aborted for the quota, and nothing of it is kept", async () => {
    const { it, inner } = databases();
    const quota = new DOMException("full", "QuotaExceededError");
    const failing: Databases = {
      ...it,
      open(name, version) {
        const request = inner.open(name, version);
        request.addEventListener("success", () => {
          const database = request.result;
          const transaction = database.transaction.bind(database);
          Object.defineProperty(database, "transaction", {
            value: (stores: string[], mode: "readwrite") => {
              const one = transaction(stores, mode);
              Object.defineProperty(one, "error", { value: quota });
              one.objectStore("state").get("owner").addEventListener("success", () => {
                (one as unknown as { abort(): void }).abort();
              });
              return one;
            },
          });
        });
        return request;
      },
    };
    expect(await codeOf(new IndexedDbStorage("ann", failing).saveMessage(message("a")))).toBe("STORAGE_FULL");
    expect(await ids(new IndexedDbStorage("ann", it))).toEqual([]);
  });

  test("STORAGE_LOST when it was deleted while in use, and is made anew", async () => {
    const { it } = databases();
    const storage = new IndexedDbStorage("ann", it);
    await storage.saveMessage(message("a"));
    await IndexedDbStorage.delete("ann", it);
    expect(await codeOf(storage.savePosition(position))).toBe("STORAGE_LOST");
    await storage.savePosition(position);
    expect(await new IndexedDbStorage("ann", it).load()).toEqual({ position, messages: [] });
  });

  test("nothing when the browser merely closed it", async () => {
    const { it, opened } = databases();
    const storage = new IndexedDbStorage("ann", it);
    await storage.saveMessage(message("a"));
    opened[0]!.close(); // without a word
    await storage.saveMessage(message("b"));
    await storage.close();
    expect(await ids(storage)).toEqual(["a", "b"]);
    expect(opened).toHaveLength(3);
  });
});

describe("a client with IndexedDB", () => {
  /** Lets IndexedDB's own tasks run too. */
  const stored = async () => {
    for (let i = 0; i < 20; i++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await settle();
    }
  };

  test("that is reloaded shows nothing twice and sends what was left, once", async () => {
    const { it } = databases();
    const server = new FakeServer();
    const first = await onlineClient(server, new FakeClock(), { storage: new IndexedDbStorage("bob", it) });
    server.say("ann", "bob", "1");
    await stored();
    server.answer = ({ header }) => header.command === "chat.user.talk" ? "silence" : undefined;
    first.client.talk("ann", "mine");
    await stored(); // and the page is gone: no close()
    server.answer = () => undefined;
    server.channels[0]!.cut();
    server.say("ann", "bob", "2");
    const second = fakeClient(server, new FakeClock(), { storage: new IndexedDbStorage("bob", it), random: () => 0.1 });
    const sent: string[] = [];
    second.client.on("sent", ({ body, state }) => void sent.push(`${body} ${state}`));
    await second.client.login();
    await stored();
    expect([...first.bodies(), ...second.bodies()]).toEqual(["1", "2"]);
    expect(sent).toEqual(["mine sending", "mine durable"]);
    expect(server.inbox("ann").map(({ body }) => body)).toEqual(["1", "2", "mine"]);
    expect(await ids(new IndexedDbStorage("bob", it))).toEqual([]);
  });

  test("whose database is deleted while it waits to send has everything in it again", async () => {
    const { it } = databases();
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await onlineClient(server, clock, { storage: new IndexedDbStorage("bob", it) });
    const told: (string | undefined)[] = [];
    client.on("storage", ({ error }) => void told.push(error?.code));
    server.answer = () => "silence";
    const left = [client.talk("ann", "1"), client.talk("eve", "2")];
    await stored();
    await IndexedDbStorage.delete("bob", it);
    left.push(client.talk("ann", "3"));
    await stored();
    clock.advance(500);
    await stored();
    expect(told).toEqual(["STORAGE_LOST", undefined]);
    expect(await ids(new IndexedDbStorage("bob", it))).toEqual(left.map(({ id }) => id));
  });
});
