import { describe, expect, test } from "bun:test";
import { ImError } from "../base/errors.ts";
import { FakeClock } from "../base/fake_clock.ts";
import { silent } from "../base/logger.ts";
import { settle } from "./fake_server.ts";
import { type ClientStorage, MemoryStorage, type Saved, type SavedMessage } from "./storage.ts";
import { StorageKeeper } from "./storage_keeper.ts";

const message = (id: string): SavedMessage => (
  { id, dest: "ann", group: false, type: 1, body: "", extra: "", createdMs: 0 }
);

/** A keeper of `storage`, and what there is to keep. */
function keeperOf(storage: ClientStorage, clock = new FakeClock()) {
  const now = { cursor: 1, messages: [] as SavedMessage[] };
  const told: (string | undefined)[] = [];
  const kept = { position: () => ({ cursor: now.cursor, epoch: "one", seen: [] }), messages: () => now.messages };
  const keeper = new StorageKeeper(kept, clock, () => 0.5, silent, (error) => void told.push(error?.code));
  keeper.use(storage);
  const say = (id: string) => (now.messages.push(message(id)), keeper.message(message(id)));
  const settled = (id: string) => {
    now.messages = now.messages.filter((one) => one.id !== id);
    keeper.drop(id);
  };
  return { keeper, now, told, clock, say, settled };
}

/** Keeps in memory; fails with `error` as long as there is one, and counts the calls. */
class Breakable implements ClientStorage {
  readonly inner = new MemoryStorage();
  error: Error | undefined;
  /** Never answers. */
  hangs = false;
  calls = 0;
  release: () => void = () => {};

  load(): Promise<Saved> {
    return this.#run(() => this.inner.load());
  }
  savePosition(position: Parameters<ClientStorage["savePosition"]>[0]): Promise<void> {
    return this.#run(() => this.inner.savePosition(position));
  }
  saveMessage(saved: SavedMessage): Promise<void> {
    return this.#run(() => this.inner.saveMessage(saved));
  }
  dropMessage(id: string): Promise<void> {
    return this.#run(() => this.inner.dropMessage(id));
  }

  /** Ids in the storage, and the position. */
  async holds() {
    const { position, messages = [] } = await this.inner.load();
    return { cursor: position?.cursor, ids: messages.map(({ id }) => id).join("") };
  }

  async #run<T>(run: () => Promise<T>): Promise<T> {
    this.calls++;
    if (this.error) throw this.error;
    if (this.hangs) await new Promise<void>((resolve) => this.release = resolve);
    return run();
  }
}

const full = () => new ImError("STORAGE_FULL", "Cannot use storage: it is full");

test("calls never overlap, and positions that pile up become one write of the latest", async () => {
  const done: string[] = [];
  const gates: (() => void)[] = [];
  const gate = (what: string) => new Promise<void>((resolve) => gates.push(() => (done.push(what), resolve())));
  const storage: ClientStorage = {
    load: () => Promise.resolve({}),
    savePosition: ({ cursor }) => gate(`position ${cursor}`),
    saveMessage: ({ id }) => gate(`message ${id}`),
    dropMessage: (id) => gate(`drop ${id}`),
  };
  const { keeper, now } = keeperOf(storage);
  keeper.position();
  await settle();
  for (now.cursor = 2; now.cursor < 10; now.cursor++) keeper.position();
  keeper.message(message("a"));
  keeper.drop("a");
  for (let i = 0; i < 4; i++) {
    expect(gates).toHaveLength(1);
    gates.shift()!();
    await settle();
  }
  await keeper.close();
  expect(done).toEqual(["position 1", "position 10", "message a", "drop a"]);
});

describe("a storage that fails", () => {
  test("is told once, left alone, and written anew when it works again, which is told once too", async () => {
    const storage = new Breakable();
    const { keeper, now, told, clock, say, settled } = keeperOf(storage);
    say("a");
    say("b");
    keeper.position();
    await settle();
    storage.error = full();
    say("c");
    now.cursor = 7;
    keeper.position();
    await settle();
    expect(told).toEqual(["STORAGE_FULL"]);
    const { calls } = storage;
    say("d");
    settled("a");
    keeper.position();
    await settle();
    expect(storage.calls).toBe(calls);
    clock.advance(500); // still full
    await settle();
    expect(storage.calls).toBe(calls + 1);
    storage.error = undefined;
    say("e");
    clock.advance(999);
    await settle();
    expect(await storage.holds()).toEqual({ cursor: 1, ids: "ab" });
    clock.advance(1);
    await settle();
    expect(await storage.holds()).toEqual({ cursor: 7, ids: "bcde" });
    expect(told).toEqual(["STORAGE_FULL", undefined]);
    say("f");
    await settle();
    expect((await storage.holds()).ids).toBe("bcdef");
  });

  test("keeps its place in line: what is said while everything is written anew comes behind", async () => {
    const storage = new Breakable();
    const { told, clock, say, settled } = keeperOf(storage);
    storage.error = new Error("no idea");
    say("a");
    say("b");
    await settle();
    storage.error = undefined;
    storage.hangs = true;
    clock.advance(500);
    await settle();
    say("c");
    settled("a");
    storage.hangs = false;
    storage.release();
    await settle();
    expect((await storage.holds()).ids).toBe("bc");
    expect(told).toEqual(["STORAGE_FAILED", undefined]);
  });

  test.each(["STORAGE_MISSING", "STORAGE_DENIED", "STORAGE_TAKEN"] as const)(
    "with %s is not tried again",
    async (code) => {
      const storage = new Breakable();
      const { told, clock, say } = keeperOf(storage);
      storage.error = new ImError(code, "Cannot use storage");
      say("a");
      await settle();
      clock.advance(3_600_000);
      await settle();
      expect(told).toEqual([code]);
      expect(storage.calls).toBe(1);
    },
  );

  test("by never answering counts as failed after 10 s, and is not called again before it has answered", async () => {
    const storage = new Breakable();
    const { told, clock, say } = keeperOf(storage);
    storage.hangs = true;
    say("a");
    await settle();
    clock.advance(10_000);
    expect(told).toEqual(["STORAGE_FAILED"]);
    say("b");
    clock.advance(120_000);
    await settle();
    expect(storage.calls).toBe(1);
    storage.hangs = false;
    storage.release();
    await settle();
    clock.advance(500);
    await settle();
    expect((await storage.holds()).ids).toBe("ab");
    expect(told).toEqual(["STORAGE_FAILED", undefined]);
  });

  test("is tried once more at the end", async () => {
    for (const works of [true, false]) {
      const storage = new Breakable();
      const { keeper, clock, say } = keeperOf(storage);
      storage.error = full();
      say("a");
      say("b");
      await settle();
      if (works) storage.error = undefined;
      await keeper.close();
      expect((await storage.holds()).ids).toBe(works ? "ab" : "");
      const { calls } = storage;
      clock.advance(3_600_000);
      await settle();
      expect(storage.calls).toBe(calls);
    }
  });

  test("is tried once more at the end also when it has not answered yet", async () => {
    const storage = new Breakable();
    const { keeper, clock, say } = keeperOf(storage);
    storage.hangs = true;
    say("a");
    await settle();
    clock.advance(10_000);
    say("b");
    const closed = keeper.close();
    storage.hangs = false;
    storage.release();
    await closed;
    expect((await storage.holds()).ids).toBe("ab");
  });

  test("at loading: nothing was left; what it holds stays there", async () => {
    const storage = new Breakable();
    await storage.inner.saveMessage(message("z"));
    storage.error = full();
    const { keeper, told, clock, say } = keeperOf(storage);
    expect(await keeper.load()).toEqual({});
    expect(told).toEqual(["STORAGE_FULL"]);
    storage.error = undefined;
    say("a");
    clock.advance(500);
    await settle();
    expect((await storage.holds()).ids).toBe("za");
  });

  test("to load within 5 s is not waited for", async () => {
    const storage = new Breakable();
    storage.hangs = true;
    const { keeper, told, clock } = keeperOf(storage);
    const loaded = keeper.load();
    await settle();
    clock.advance(5_000);
    expect(await loaded).toEqual({});
    expect(told).toEqual(["STORAGE_FAILED"]);
  });
});
