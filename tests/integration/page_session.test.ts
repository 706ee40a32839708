import { describe, expect, test } from "bun:test";
import { type Archive, MemoryArchive } from "../../src/web/archive.ts";
import { Session } from "../../src/web/session.ts";
import { MemoryStorage } from "../../src/sdk/storage.ts";
import { own } from "../web/entry.fixture.ts";
import { LocalSystem } from "./system_local.ts";

const BOB = "user:bob";
const ANN = "user:ann";

/** A tab without a browser: the page's session with what the browser would keep handed in. */
class Tab implements AsyncDisposable {
  readonly session: Session;
  #changed = Promise.withResolvers<void>();

  constructor(
    system: LocalSystem,
    account: string,
    archive: Archive = new MemoryArchive(),
    storage = new MemoryStorage(),
    device = "tab",
  ) {
    this.session = new Session({
      account,
      url: system.ws,
      place: { device, storage, free() {} },
      archive,
      token: system.token(account),
      changed: () => {
        this.#changed.resolve();
        this.#changed = Promise.withResolvers();
      },
    });
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await this.#changed.promise;
  }

  /** State and text of each message that is shown. */
  shown(key: string): string[] {
    return this.session.book.entries(key).map(({ state, body }) => `${state} ${body}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session.close();
  }
}

/** An archive that takes nothing from some moment on, as a full disk. */
class FullArchive extends MemoryArchive {
  full = false;

  override put(entry: Parameters<Archive["put"]>[0]): Promise<void> {
    return this.full ? Promise.reject(new Error("full")) : super.put(entry);
  }
}

describe("the page's session", () => {
  test("a message that only the archive remembers as sending is sent with its old id, and stored once", async () => {
    await using system = await LocalSystem.start();
    const leftBehind = own({ key: "c:left-behind", body: "left behind", timeMs: Date.now() });
    for (let run = 0; run < 2; run++) {
      const archive = new MemoryArchive();
      await archive.put(leftBehind);
      await using ann = new Tab(system, "ann", archive);
      await ann.session.start();
      await ann.until(() => ann.shown(BOB)[0] === "durable left behind");
    }
    await using bob = new Tab(system, "bob");
    await bob.session.start();
    await bob.until(() => bob.shown(ANN).length > 0);
    expect(bob.shown(ANN)).toEqual(["received left behind"]);
  }, 30_000);

  test("what could not be archived comes again, what could does not", async () => {
    await using system = await LocalSystem.start();
    const archive = new FullArchive();
    const storage = new MemoryStorage();
    await using bob = new Tab(system, "bob");
    await bob.session.start();
    {
      await using ann = new Tab(system, "ann", archive, storage);
      await ann.session.start();
      bob.session.send(ANN, "archived");
      await ann.until(() => ann.shown(BOB).length === 1);
      await ann.until(() => ann.session.state === "online");
      archive.full = true;
      bob.session.send(ANN, "not archived");
      await ann.until(() => ann.shown(BOB).length === 2 && ann.session.storageFailed);
    }
    archive.full = false;
    await using again = new Tab(system, "ann", archive, storage);
    await again.session.start();
    await again.until(() => again.shown(BOB).length === 2);
    expect(again.shown(BOB)).toEqual(["received archived", "received not archived"]);
    expect(again.session.storageFailed).toBe(false);
  }, 30_000);

  test("two tabs of one account show everything once, also what the other one said", async () => {
    await using system = await LocalSystem.start();
    const archive = new MemoryArchive();
    await using bob = new Tab(system, "bob");
    await using one = new Tab(system, "ann", archive, new MemoryStorage(), "one");
    await using two = new Tab(system, "ann", archive, new MemoryStorage(), "two");
    await Promise.all([bob, one, two].map((tab) => tab.session.start()));
    one.session.send(BOB, "from one");
    await bob.until(() => bob.shown(ANN).length === 1);
    bob.session.send(ANN, "to both");
    two.session.send(BOB, "from two");
    for (const tab of [one, two]) {
      await tab.until(() => tab.shown(BOB).length === 3 && !tab.shown(BOB).some((one) => one.startsWith("sending")));
      expect(tab.shown(BOB).sort()).toEqual(["durable from one", "durable from two", "received to both"]);
    }
    one.session.read(BOB);
    await two.until(() => two.session.book.unread(BOB) === 0);
  }, 30_000);

  test("a failed message is said anew, as a new one, or forgotten", async () => {
    await using system = await LocalSystem.start();
    const archive = new MemoryArchive();
    await archive.put(own({ key: "c:a", state: "failed", error: "BUSY", body: "again" }));
    await archive.put(own({ key: "c:b", state: "failed", error: "BUSY", body: "forget" }));
    await using ann = new Tab(system, "ann", archive);
    await ann.session.start();
    const { book } = ann.session;
    ann.session.sendAgain(book.get("c:a")!);
    ann.session.remove(book.get("c:b")!);
    await ann.until(() => ann.shown(BOB)[0] === "durable again");
    expect(ann.shown(BOB)).toEqual(["durable again"]);
    expect((await archive.load()).entries.map(({ body }) => body)).toEqual(["again"]);
  }, 30_000);

  test("a group is there for its members at once, and closed for who leaves it or is put out", async () => {
    await using system = await LocalSystem.start();
    await using ann = new Tab(system, "ann");
    await using elsewhere = new Tab(system, "ann", new MemoryArchive(), new MemoryStorage(), "elsewhere");
    await using bob = new Tab(system, "bob");
    await using cat = new Tab(system, "cat");
    const tabs = [ann, elsewhere, bob, cat];
    for (const tab of tabs) {
      await tab.session.start();
      await tab.until(() => tab.session.directory.listed);
    }
    const key = await ann.session.directory.create("Lunch", ["bob", "cat"]);
    for (const tab of tabs) {
      await tab.until(() => tab.session.directory.group(key) !== undefined);
      expect(tab.session.directory.group(key)).toEqual({ key, name: "Lunch", memberCount: 3, member: true });
    }
    await bob.session.directory.add(key, "dan");
    for (const tab of tabs) await tab.until(() => tab.shown(key).includes("notice joined"));
    await bob.session.directory.remove(key, "bob");
    await ann.session.directory.remove(key, "cat");
    for (const tab of [bob, cat]) await tab.until(() => tab.session.directory.outOf(key));
    for (const tab of [ann, elsewhere]) {
      await tab.until(() => tab.session.directory.group(key)?.memberCount === 2);
      expect(tab.session.directory.outOf(key)).toBe(false);
    }
    await expect(cat.session.directory.add(key, "eve")).rejects.toThrow();
  }, 30_000);

  test("what was read on one device is read on all, also on those that were away", async () => {
    await using system = await LocalSystem.start();
    const away = { archive: new MemoryArchive(), storage: new MemoryStorage() };
    await using bob = new Tab(system, "bob");
    await bob.session.start();
    await using one = new Tab(system, "ann", new MemoryArchive(), new MemoryStorage(), "one");
    await one.session.start();
    {
      await using two = new Tab(system, "ann", away.archive, away.storage, "two");
      await two.session.start();
      for (const text of ["a", "b"]) bob.session.send(ANN, text);
      for (const tab of [one, two]) await tab.until(() => tab.session.book.unread(BOB) === 2);
      await one.until(() => one.session.directory.listed);
      one.session.read(BOB);
      await two.until(() => two.session.book.unread(BOB) === 0);
      bob.session.send(ANN, "c");
      await two.until(() => two.session.book.unread(BOB) === 1);
    }
    await one.until(() => one.session.book.unread(BOB) === 1);
    one.session.read(BOB);
    await using again = new Tab(system, "ann", away.archive, away.storage, "two");
    await again.session.start();
    await again.until(() => again.session.directory.listed && again.session.book.unread(BOB) === 0);
  }, 30_000);

  test("messages that are not in this browser are fetched page by page, once each", async () => {
    await using system = await LocalSystem.start();
    const storage = new MemoryStorage();
    await using bob = new Tab(system, "bob");
    await bob.session.start();
    const texts = Array.from({ length: 230 }, (_, i) => `durable ${i}`);
    for (const text of texts) bob.session.send(ANN, text.slice(8));
    await bob.until(() => bob.shown(ANN).every((one) => one.startsWith("durable")));
    {
      await using ann = new Tab(system, "ann", new MemoryArchive(), storage);
      await ann.session.start();
      await ann.until(() => ann.shown(BOB).length === texts.length);
    }
    await using ann = new Tab(system, "ann", new MemoryArchive(), storage); // the place is kept, the messages are not
    await ann.session.start();
    const { book, history, directory } = ann.session;
    await ann.until(() => directory.listed);
    expect([book.entries(BOB).length, book.head(BOB), book.lacks(BOB, 1, 230)]).toEqual([0, 230, true]);
    await Promise.all([history.load(BOB, undefined), history.load(BOB, undefined)]);
    expect([book.entries(BOB)[0]?.seq, book.lacks(BOB, 131, 230), book.lacks(BOB, 1, 130)]).toEqual([131, false, true]);
    bob.session.send(ANN, "and now");
    await ann.until(() => book.lastSeq(BOB) === 231);
    while (book.entries(BOB)[0]!.seq > 1) await history.load(BOB, book.entries(BOB)[0]!.seq);
    expect(book.entries(BOB).map(({ seq }) => seq)).toEqual(Array.from({ length: 231 }, (_, i) => i + 1));
    expect(book.lacks(BOB, 1, 230)).toBe(false);
  }, 30_000);
});
