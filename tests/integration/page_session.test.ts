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
});
