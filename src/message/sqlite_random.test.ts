import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ModelGroup } from "../../tests/contract/group_model.ts";
import { group } from "../../tests/contract/group_talk.ts";
import { MessageModel } from "../../tests/contract/message_model.ts";
import { talk } from "../../tests/contract/message_talk.ts";
import { tempDir } from "../../tests/support/temp.ts";
import type { AppendRequest, InboxRange } from "./message_store.ts";
import { openSqliteStore, type SqliteStore } from "./sqlite.ts";

const APPS = ["kim", "other"], NAMES = ["ann", "bob", "cat", "dan"], DEVICES = ["", "phone"];
const INBOX_GROUP = 3, GROUPS = 3;
const WIDE: InboxRange = { after: 0, limit: 1_000 };

const app = fc.constantFrom(...APPS), name = fc.constantFrom(...NAMES);
/** Groups of an app by number: the ids come with the store. */
const groupNumber = fc.nat(GROUPS);
const request: fc.Arbitrary<AppendRequest> = fc.record({
  app,
  sender: name,
  dest: fc.oneof(name, groupNumber.map(String)),
  type: fc.constantFrom(1, 2),
  body: fc.constantFrom("", "a", "grüße 👋"),
  key: fc.option(fc.record({ scope: fc.constantFrom("s1", "s2"), n: fc.nat(30), low: fc.constant(0) }), {
    nil: undefined,
  }),
  clientMsgId: fc.option(fc.constantFrom("c1", "c2", "c3", "c4"), { nil: undefined, freq: 2 }),
}).map((over) => talk(over.sender, over.dest, { ...over, group: /^\d$/.test(over.dest) }));

const range: fc.Arbitrary<InboxRange> = fc.record({
  after: fc.nat(12),
  limit: fc.integer({ min: 1, max: 9 }),
  direction: fc.constantFrom(0, 1),
  upTo: fc.nat(30),
}, { requiredKeys: ["after", "limit"] });
const accounts = fc.array(name, { minLength: 1, maxLength: 3 });
const change = { app, group: groupNumber, accounts, by: fc.option(name, { nil: undefined }) };

type Step =
  | { do: "append"; batch: AppendRequest[] }
  | { do: "fail"; fault: string }
  | { do: "ack"; app: string; account: string; device: string; pos: number }
  | { do: "page"; app: string; account: string; range: InboxRange }
  | { do: "create"; app: string; owner: string; members: string[] }
  | { do: "join" | "quit"; app: string; group: number; accounts: string[]; by: string | undefined }
  | { do: "make"; app: string; accounts: string[]; most: number }
  | { do: "remove"; most: number }
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
  { weight: 2, arbitrary: fc.record({ do: fc.constant("create"), app, owner: name, members: fc.array(name) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("join", "quit"), ...change }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("make"), app, accounts, most: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("remove"), most: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reopen") }) },
);

/** A store and the model beside it: every step is done to both. */
class Pair implements AsyncDisposable {
  readonly #open: () => Promise<SqliteStore>;
  readonly #model = new MessageModel();
  #store: SqliteStore;
  /** Ids by app, in the order they were made. */
  readonly #ids = new Map<string, string[]>(APPS.map((app) => [app, []]));
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
    if (one.do === "append") await this.#append(one.batch.map((request) => this.#addressed(request)));
    else if (one.do === "ack") await this.#ack(one);
    else if (one.do === "page") await this.#page(one);
    else if (one.do === "create") await this.#create(one);
    else if (one.do === "join" || one.do === "quit") await this.#change(one);
    else if (one.do === "reopen") await this.#reopen();
    else if (this.#mode() !== "works") return; // what follows is not tried while writing fails
    else if (one.do === "fail") await this.#store.inject(`${this.#armed = one.fault}@1`);
    else if (one.do === "make") await this.#make(one);
    else if (one.do === "remove") await this.#remove(one.most);
  }

  /** Everything that can be read is as in the model. */
  async compare(): Promise<void> {
    for (const app of APPS) {
      const heads = await this.#store.heads(app, NAMES);
      expect(heads.map((head) => head.pos)).toEqual(NAMES.map((account) => this.#model.head(app, account)));
      for (const account of NAMES) {
        await this.#page({ app, account, range: WIDE });
        await this.#history(app, account);
      }
      for (const id of this.#ids.get(app)!) await this.#members(app, id);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
  }

  #id(app: string, number: number): string {
    return this.#ids.get(app)![number] ?? "unknown";
  }

  #addressed(request: AppendRequest): AppendRequest {
    return request.group ? { ...request, dest: this.#id(request.app, Number(request.dest)) } : request;
  }

  #mode(): "works" | "fails" | "refuses" {
    return this.#refusing ? "refuses" : this.#armed === "" ? "works" : "fails";
  }

  async #append(batch: AppendRequest[]): Promise<void> {
    const mode = this.#mode();
    const { results, stores } = this.#model.expect(batch, mode);
    expect(this.#model.take(batch, results, await this.#store.append(batch))).toBe("");
    if (stores) this.#wrote(mode === "works");
  }

  async #create({ app, owner, members }: Step & { do: "create" }): Promise<void> {
    if (this.#ids.get(app)!.length >= GROUPS) return;
    const request = group(owner, members, { app }), works = this.#mode() === "works";
    const made = await this.#store.createGroup(request).catch((error: { code: string }) => error.code);
    this.#wrote(works);
    if (typeof made === "string") return expect([made, works]).toEqual(["SYSTEM", false]);
    expect(works).toBe(true);
    const model = new ModelGroup(request, INBOX_GROUP);
    expect(made.members).toEqual([...model.members]);
    this.#model.groups.set(made.id, model);
    this.#ids.get(app)!.push(made.id);
  }

  async #change({ do: what, app, group, accounts, by }: Step & { do: "join" | "quit" }): Promise<void> {
    const id = this.#id(app, group), model = this.#model.groups.get(id), mode = this.#mode();
    const request = { app, group: id, accounts, by, startBy: Infinity };
    const wanted = model?.changes(what, request) ?? "INVALID_BODY";
    const writes = typeof wanted !== "string" && wanted.length > 0;
    const expected = mode === "refuses" || (mode === "fails" && writes) ? "SYSTEM" : wanted;
    const got = await this.#store[what](request).catch((error: { code: string }) => error.code);
    expect(typeof got === "string" ? got : got.changed).toEqual(expected);
    if (writes) this.#wrote(mode === "works");
    if (typeof got === "string" || typeof expected === "string") return;
    const large = model!.large;
    model!.change(what, expected);
    expect([got.large, got.becameLarge]).toEqual([model!.large, model!.large && !large]);
  }

  async #make({ app, accounts, most }: Step & { do: "make" }): Promise<void> {
    const made = await this.#store.makeRows(app, accounts, 0n, most);
    expect(made.map((one) => one.head)).toEqual(accounts.map((account) => this.#model.makeRows(app, account, most)));
  }

  async #remove(most: number): Promise<void> {
    const before = (this.#model.kept.at(-1)?.sendTime ?? 0n) - 1n;
    expect(await this.#store.removeBefore(before, most)).toBe(this.#model.remove(before, most));
  }

  async #ack({ app, account, device, pos }: Step & { do: "ack" }): Promise<void> {
    const want = this.#model.ack(app, account, device, pos);
    const fails = want.moves && this.#mode() !== "works";
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
    const positions = await Promise.all(ids.map((id) => this.#store.position(app, account, id)));
    expect(positions).toEqual(want.map((row) => row.pos).reverse());
  }

  async #history(app: string, account: string): Promise<void> {
    for (const range of [WIDE, { before: 5, limit: 3 }]) {
      for (const peer of NAMES) {
        const { rows } = await this.#store.history(app, account, { account: peer }, range);
        expect(rows).toEqual(this.#model.history(app, account, peer, false, range));
      }
      for (const id of this.#ids.get(app)!) {
        if (!this.#model.groups.get(id)!.members.has(account)) continue;
        const { rows } = await this.#store.history(app, account, { group: id }, range);
        expect(rows).toEqual(this.#model.history(app, account, id, true, range));
      }
    }
  }

  async #members(app: string, id: string): Promise<void> {
    const { members, owner, large } = this.#model.groups.get(id)!;
    const page = await this.#store.members(app, id, undefined, 99);
    expect(page.members.map((one) => one.account)).toEqual([...members]);
    const found = await this.#store.group(app, id);
    expect(found).toMatchObject({ owner, memberCount: members.size });
    expect(found!.largeFrom !== undefined).toBe(large);
  }

  async #reopen(): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
    this.#store = await this.#open();
    this.#model.reopen();
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
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60, size: "max" }), async (steps) => {
        await using directory = await tempDir();
        const open = () =>
          openSqliteStore({
            directory: directory.path,
            sync: "normal",
            faults: "",
            inboxGroup: INBOX_GROUP,
            ...options,
          });
        await using pair = await Pair.start(open);
        for (const one of steps) await pair.run(one);
        await pair.compare();
      }),
      { numRuns: runs },
    );
  }, 60_000);
});
