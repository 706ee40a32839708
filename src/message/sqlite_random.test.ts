import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { MessageModel } from "../../tests/contract/message_model.ts";
import { talk } from "../../tests/contract/message_talk.ts";
import { tempDir } from "../../tests/support/temp.ts";
import type { AppendRequest, InboxRange } from "./message_store.ts";
import { openSqliteStore, type SqliteStore } from "./sqlite.ts";

const APPS = ["kim", "other"], NAMES = ["ann", "bob", "cat", "dan"], DEVICES = ["", "phone"];

const app = fc.constantFrom(...APPS), name = fc.constantFrom(...NAMES);
const request: fc.Arbitrary<AppendRequest> = fc.record({
  app,
  sender: name,
  dest: name,
  type: fc.constantFrom(1, 2),
  body: fc.constantFrom("", "a", "grüße 👋"),
  key: fc.option(fc.record({ scope: fc.constantFrom("s1", "s2"), n: fc.nat(30), low: fc.constant(0) }), {
    nil: undefined,
  }),
  clientMsgId: fc.option(fc.constantFrom("c1", "c2", "c3", "c4"), { nil: undefined, freq: 2 }),
}).map((over) => talk(over.sender, over.dest, over));

const range: fc.Arbitrary<InboxRange> = fc.record({
  after: fc.nat(12),
  limit: fc.integer({ min: 1, max: 9 }),
  direction: fc.constantFrom(0, 1),
  upTo: fc.nat(30),
}, { requiredKeys: ["after", "limit"] });

type Step =
  | { do: "append"; batch: AppendRequest[] }
  | { do: "fail"; fault: string }
  | { do: "ack"; app: string; account: string; device: string; pos: number }
  | { do: "page"; app: string; account: string; range: InboxRange }
  | { do: "reopen" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("append"), batch: fc.array(request, { minLength: 1, maxLength: 12 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("fail"),
      fault: fc.constantFrom("before-commit=throw", "sync=full", "sync=io"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("ack"),
      app,
      account: name,
      device: fc.constantFrom(...DEVICES),
      pos: fc.nat(20),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("page"), app, account: name, range }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reopen") }) },
);

/** A store and the model beside it: every step is done to both. */
class Pair implements AsyncDisposable {
  readonly #open: () => Promise<SqliteStore>;
  readonly #model = new MessageModel();
  #store: SqliteStore;
  /** The fault that strikes at the next write, and whether one struck that ends all writing. */
  #armed = "";
  #refusing = false;

  static async start(open: () => Promise<SqliteStore>): Promise<Pair> {
    return new Pair(open, await open());
  }

  private constructor(open: () => Promise<SqliteStore>, store: SqliteStore) {
    this.#open = open;
    this.#store = store;
  }

  async run(one: Step): Promise<void> {
    if (one.do === "append") await this.#append(one.batch);
    else if (one.do === "ack") await this.#ack(one);
    else if (one.do === "page") await this.#page(one);
    else if (one.do === "reopen") await this.#reopen();
    else if (this.#armed === "" && !this.#refusing) await this.#store.inject(`${this.#armed = one.fault}@1`);
  }

  /** Everything that can be read is as in the model. */
  async compare(): Promise<void> {
    for (const app of APPS) {
      const heads = await this.#store.heads(app, NAMES);
      expect(heads.map((head) => head.pos)).toEqual(NAMES.map((account) => this.#model.head(app, account)));
      for (const account of NAMES) await this.#page({ app, account, range: { after: 0, limit: 1_000 } });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
  }

  async #append(batch: AppendRequest[]): Promise<void> {
    const fails = this.#armed !== "" || this.#refusing;
    const { results, stores } = this.#model.expect(batch, fails);
    expect(this.#model.take(batch, results, await this.#store.append(batch))).toBe("");
    if (stores) this.#wrote(!fails);
  }

  async #ack({ app, account, device, pos }: Step & { do: "ack" }): Promise<void> {
    const want = this.#model.ack(app, account, device, pos);
    const fails = want.moves && (this.#armed !== "" || this.#refusing);
    const got = await this.#store.ack(app, account, device, pos).catch((error: { code: string }) => error.code);
    expect(got).toBe(fails ? "SYSTEM" : want.pos);
    if (want.moves && !fails) this.#model.move(app, account, device, want.pos);
    if (want.moves) this.#wrote(!fails);
    const now = this.#model.ack(app, account, device, 0).pos;
    expect(await this.#store.acked(app, account, device)).toBe(now);
  }

  async #page({ app, account, range }: { app: string; account: string; range: InboxRange }): Promise<void> {
    const want = this.#model.rows(app, account, range);
    const { rows, head, scannedTo } = await this.#store.messages(app, account, range);
    expect(rows).toEqual(want);
    expect(head.pos).toBe(this.#model.head(app, account));
    const end = Math.max(range.after, Math.min(range.upTo ?? Infinity, head.pos));
    expect(scannedTo).toBe(rows.length === range.limit ? rows.at(-1)!.pos : head.epoch === "0" ? range.after : end);
    const entries = await this.#store.entries(app, account, range);
    expect(entries.rows.map((row) => row.messageId)).toEqual(want.map((row) => row.messageId));
    const ids = want.map((row) => row.messageId).reverse();
    expect((await this.#store.contents(app, account, ids)).map((one) => one?.body)).toEqual(
      want.map((row) => row.body).reverse(),
    );
  }

  async #reopen(): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
    this.#store = await this.#open();
    this.#armed = "";
    this.#refusing = false;
    await this.compare();
  }

  #wrote(well: boolean): void {
    expect(this.#store.health().writable).toBe(well);
    if (this.#armed === "sync=io") this.#refusing = true;
    this.#armed = "";
  }
}

describe("SqliteStore under random steps", () => {
  const cases = [
    { name: "in this thread, few rows waiting", threads: false, tailRows: 10, cachedLogs: 0, runs: 25 },
    { name: "in this thread, all rows waiting", threads: false, tailRows: 8_000, cachedLogs: 100, runs: 15 },
    { name: "in workers", threads: true, tailRows: 20, cachedLogs: 100, runs: 8 },
  ];
  test.each(cases)("answers and shows what a plain list would: $name", async ({ runs, ...options }) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        await using directory = await tempDir();
        const open = () => openSqliteStore({ directory: directory.path, sync: "normal", faults: "", ...options });
        await using pair = await Pair.start(open);
        for (const one of steps) await pair.run(one);
        await pair.compare();
      }),
      { numRuns: runs },
    );
  }, 60_000);
});
