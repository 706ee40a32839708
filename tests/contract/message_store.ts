import { expect, test } from "bun:test";
import { ImError } from "../../src/base/errors.ts";
import type { Appended, InboxEntry, InboxPage, InboxRange } from "../../src/message/message_store.ts";
import type { Check, StorePlace } from "./message_place.ts";
import { messagesComeAgain } from "./message_store_again.ts";
import { stored, talk } from "./message_talk.ts";

/** What MessageStore promises, whoever keeps it. `make` gives an empty place. */
export function messageStoreContract(name: string, make: () => Promise<StorePlace>): void {
  const check: Check = (what, body) =>
    test(`MessageStore/${name}: ${what}`, async () => {
      await using place = await make();
      await using store = await place.open();
      await body(store, place);
    }, 60_000);

  check("numbers are dense under concurrency, per conversation and per inbox", async (store) => {
    const names = ["ann", "bob", "cat"];
    const calls = Array.from({ length: 40 }, (_, i) => {
      const batch = Array.from({ length: 1 + i % 7 }, (_, j) => talk(names[i % 3]!, names[(i + j) % 3]!));
      return store.append(batch).then((results) => results.map((result, j) => ({ request: batch[j]!, result })));
    });
    const all = (await Promise.all(calls)).flat();
    const logs = new Map<string, number[]>();
    const put = (log: string, n: number) => logs.set(log, [...logs.get(log) ?? [], n]);
    for (const { request, result } of all) {
      if (result instanceof ImError) throw result;
      put([request.sender, request.dest].sort().join(), result.seq);
      put(request.sender, result.senderPos);
      if (request.sender !== request.dest) put(request.dest, result.receiverPos);
      else expect(result.receiverPos).toBe(result.senderPos);
    }
    expect(logs.size).toBe(9);
    for (const numbers of logs.values()) {
      expect(numbers.sort((a, b) => a - b)).toEqual(numbers.map((_, i) => i + 1));
    }
    const times = all.map(({ result }) => (result as Appended).sendTime);
    expect(new Set(times).size).toBe(times.length);
  });

  check("results come in the order of requests, ids and times only grow", async (store) => {
    const results = await store.append(Array.from({ length: 600 }, (_, i) => talk("ann", "bob", { body: `${i}` })));
    const seqs = results.map((one) => (one as Appended).seq);
    expect(seqs).toEqual(seqs.map((_, i) => i + 1));
    const ids = results.map((one) => (one as Appended).messageId);
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => a < b ? -1 : 1));
    const now = BigInt(Date.now()) * 1_000_000n;
    const first = (results[0] as Appended).sendTime, last = (results.at(-1) as Appended).sendTime;
    expect(last).toBeGreaterThan(first);
    expect(now - first).toBeLessThan(60_000_000_000n);
    const { rows } = await store.messages("kim", "bob", { after: 0, limit: 1000 });
    expect(rows.map((row) => row.body)).toEqual(results.map((_, i) => `${i}`));
    expect(rows.map((row) => row.sendTime)).toEqual(results.map((one) => (one as Appended).sendTime));
  });

  check("a talk is in both inboxes, with everything it had", async (store) => {
    const sent = talk("ann", "bob", {
      type: -2_147_483_648,
      body: "grüße 👋 \u0000 end",
      extra: "{}",
      clientMsgId: "c\u00001",
    });
    await stored(store, talk("cat", "bob"));
    const { messageId, sendTime, seq } = await stored(store, sent);
    const common = {
      messageId,
      sendTime,
      seq,
      group: "",
      type: sent.type,
      body: sent.body,
      extra: "{}",
      sender: "ann",
    };
    const ann = await store.messages("kim", "ann", { after: 0, limit: 10 });
    expect(ann.rows).toEqual([{ ...common, pos: 1, direction: 1, peer: "bob", clientMsgId: "c\u00001" }]);
    const bob = await store.messages("kim", "bob", { after: 1, limit: 10 });
    expect(bob.rows).toEqual([{ ...common, pos: 2, direction: 0, peer: "ann", clientMsgId: "c\u00001" }]);
    expect(await stored(store, sent)).toMatchObject({ messageId, duplicate: true });
    const entry: InboxEntry = { pos: 2, messageId, direction: 0, peer: "ann", group: "", sendTime };
    expect((await store.entries("kim", "bob", { after: 1, limit: 10 })).rows).toEqual([entry]);
  });

  check("a talk to oneself is one row", async (store) => {
    const one = await stored(store, talk("ann", "ann"));
    expect(one).toMatchObject({ seq: 1, senderPos: 1, receiverPos: 1 });
    expect(await stored(store, talk("ann", "bob"))).toMatchObject({ seq: 1, senderPos: 2, receiverPos: 1 });
    const { rows, head } = await store.messages("kim", "ann", { after: 0, limit: 10 });
    expect(rows.map(({ direction, peer, pos, seq }) => ({ direction, peer, pos, seq }))).toEqual([
      { direction: 1, peer: "ann", pos: 1, seq: 1 },
      { direction: 1, peer: "bob", pos: 2, seq: 1 },
    ]);
    expect(head.pos).toBe(2);
    expect(await store.position("kim", "ann", one.messageId)).toBe(1);
  });

  check("the same names in two apps are strangers", async (store) => {
    const here = await stored(store, talk("ann", "bob", { clientMsgId: "c1", body: "here" }));
    const there = await stored(store, talk("ann", "bob", { app: "other", clientMsgId: "c1", body: "there" }));
    expect(there).toMatchObject({ seq: 1, senderPos: 1, receiverPos: 1, duplicate: false });
    expect((await store.messages("other", "bob", { after: 0, limit: 9 })).rows.map((row) => row.body)).toEqual([
      "there",
    ]);
    expect(await store.contents("other", "bob", [here.messageId])).toEqual([undefined]);
    expect(await store.position("other", "bob", here.messageId)).toBeUndefined();
    await store.ack("kim", "bob", "", 1);
    expect(await store.acked("other", "bob", "")).toBe(0);
    const [one, other] = [await store.heads("kim", ["ann"]), await store.heads("other", ["ann"])];
    expect(one[0]?.epoch).not.toBe(other[0]?.epoch);
  });

  check("contents are in the order asked for, and only for the parties", async (store) => {
    const one = await stored(store, talk("ann", "bob", { body: "one" }));
    const two = await stored(store, talk("bob", "ann", { body: "two", type: 3, extra: "e" }));
    const strangers = await stored(store, talk("cat", "dan"));
    const ids = [two.messageId, 12345n, one.messageId, strangers.messageId, two.messageId];
    const [a, unknown, b, notOurs, c] = await store.contents("kim", "ann", ids);
    expect(a).toEqual({ messageId: two.messageId, type: 3, body: "two", extra: "e" });
    expect([unknown, notOurs]).toEqual([undefined, undefined]);
    expect(b?.body).toBe("one");
    expect(c).toEqual(a);
    expect(await store.contents("kim", "cat", [one.messageId])).toEqual([undefined]);
    expect(await store.contents("kim", "nobody", [one.messageId])).toEqual([undefined]);
    expect(await store.position("kim", "bob", two.messageId)).toBe(2);
    expect(await store.position("kim", "cat", two.messageId)).toBeUndefined();
  });

  check("pages end, skip nothing and show nothing twice, whatever the filter", async (store) => {
    const times: bigint[] = [];
    for (let i = 0; i < 50; i++) {
      const request = i % 3
        ? talk("ann", `peer${i % 4}`, { body: `${i}` })
        : talk(`peer${i % 5}`, "ann", { body: `${i}` });
      times.push((await stored(store, request)).sendTime);
    }
    const pages = async (range: Omit<InboxRange, "after">): Promise<number[]> => {
      const seen: number[] = [];
      for (let after = 0, turns = 0;; turns++) {
        const page: InboxPage<InboxEntry> = await store.entries("kim", "ann", { ...range, after });
        seen.push(...page.rows.map((row) => row.pos));
        expect(page.rows.length).toBeLessThanOrEqual(range.limit);
        expect(page.head.pos).toBe(50);
        if (page.rows.length === 0) {
          expect(page.scannedTo).toBe(range.upTo ?? 50);
          return seen;
        }
        expect(page.scannedTo).toBeGreaterThanOrEqual(page.rows.at(-1)!.pos);
        expect(page.scannedTo).toBeGreaterThan(after);
        expect(turns).toBeLessThan(60);
        after = page.scannedTo;
      }
    };
    const all = Array.from({ length: 50 }, (_, i) => i + 1);
    expect(await pages({ limit: 7 })).toEqual(all);
    expect(await pages({ limit: 1000 })).toEqual(all);
    expect(await pages({ limit: 1, upTo: 20 })).toEqual(all.slice(0, 20));
    expect(await pages({ limit: 4, direction: 0 })).toEqual(all.filter((pos) => (pos - 1) % 3 === 0));
    expect(await pages({ limit: 4, direction: 1, since: times[31]! })).toEqual(
      all.filter((pos) => (pos - 1) % 3 !== 0 && pos > 31),
    );
    expect(await pages({ limit: 3, since: times[49]! + 1n })).toEqual([]);
    const beyond = await store.entries("kim", "ann", { after: 60, limit: 5 });
    expect(beyond).toMatchObject({ rows: [], scannedTo: 60, head: { pos: 50 } });
    const bodies = (await store.messages("kim", "ann", { after: 10, upTo: 14, limit: 9 })).rows.map((row) => row.body);
    expect(bodies).toEqual(["10", "11", "12", "13"]);
  });

  check(
    "a read position moves forward, not back, not beyond the head, and for its device alone",
    async (store, place) => {
      await store.append([talk("ann", "bob"), talk("ann", "bob"), talk("ann", "bob")]);
      expect(await store.acked("kim", "bob", "phone")).toBe(0);
      expect(await store.ack("kim", "bob", "phone", 2)).toBe(2);
      expect(await store.ack("kim", "bob", "phone", 1)).toBe(2);
      expect(await store.ack("kim", "bob", "phone", 99)).toBe(3);
      expect(await store.ack("kim", "bob", "", 1)).toBe(1);
      expect(await store.ack("kim", "nobody", "", 7)).toBe(0);
      const many = Promise.all([3, 1, 2].map((pos) => store.ack("kim", "ann", "pc", pos)));
      expect((await many).every((pos) => pos >= 1 && pos <= 3)).toBe(true);
      await store[Symbol.asyncDispose]();
      await using reopened = await place.open();
      const devices = ["phone", "", "pc", "other"];
      const acked = await Promise.all(devices.map((device) => reopened.acked("kim", "bob", device)));
      expect(acked).toEqual([3, 1, 0, 0]);
      expect(await reopened.acked("kim", "ann", "pc")).toBe(3);
    },
  );

  check("heads name the log and its last position, in order, 0 for an unknown account", async (store) => {
    await store.append([talk("ann", "bob"), talk("cat", "bob")]);
    const heads = await store.heads("kim", ["bob", "nobody", "ann", "bob"]);
    expect(heads.map((head) => head.pos)).toEqual([2, 0, 1, 2]);
    expect(heads[1]).toEqual({ pos: 0, epoch: "0" });
    expect(heads[0]?.epoch).toMatch(/^[1-9]\d*$/);
    expect(heads[3]).toEqual(heads[0]!);
    expect((await store.entries("kim", "bob", { after: 0, limit: 1 })).head).toEqual(heads[0]!);
    expect(await store.entries("kim", "nobody", { after: 0, limit: 1 })).toEqual({
      rows: [],
      head: { pos: 0, epoch: "0" },
      scannedTo: 0,
    });
    expect(await store.heads("kim", [])).toEqual([]);
  });

  check("a restart keeps rows, epochs and numbering", async (store, place) => {
    const before: Appended[] = [];
    for (let i = 0; i < 30; i++) before.push(await stored(store, talk(`a${i % 3}`, `b${i % 5}`)));
    const heads = await store.heads("kim", ["a0", "b0", "b4"]);
    await store[Symbol.asyncDispose]();
    await using reopened = await place.open();
    expect(await reopened.heads("kim", ["a0", "b0", "b4"])).toEqual(heads);
    const next = await stored(reopened, talk("a0", "b0"));
    expect(next).toMatchObject({ seq: 3, senderPos: 11, receiverPos: 7 });
    expect(next.messageId).toBeGreaterThan(before.at(-1)!.messageId);
    expect(next.sendTime).toBeGreaterThan(before.at(-1)!.sendTime);
    const { rows } = await reopened.entries("kim", "a0", { after: 0, limit: 100 });
    expect(rows.map((row) => row.messageId)).toEqual(
      [...before.filter((_, i) => i % 3 === 0), next].map((one) => one.messageId),
    );
    expect((await reopened.heads("kim", ["a0"]))[0]?.epoch).toBe(heads[0]!.epoch);
  });

  check("a closed store answers what it was asked before, and then says CLOSED", async (store) => {
    const pending = store.append([talk("ann", "bob")]);
    const ack = store.ack("kim", "bob", "", 1);
    await store[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    expect(await pending).toMatchObject([{ seq: 1 }]);
    expect(await ack).toBe(1);
    for (
      const call of [
        store.append([talk("ann", "bob")]),
        store.ack("kim", "bob", "", 1),
        store.entries("kim", "bob", { after: 0, limit: 1 }),
        store.heads("kim", ["bob"]),
        store.contents("kim", "bob", [1n]),
      ]
    ) {
      const error: unknown = await call.then(() => undefined, (thrown: unknown) => thrown);
      expect(error).toMatchObject({ name: "ImError", code: "CLOSED" });
    }
  });

  check("two stores know nothing of each other", async (store) => {
    await using elsewhere = await make();
    await using other = await elsewhere.open();
    await stored(store, talk("ann", "bob", { clientMsgId: "c1" }));
    expect(await other.heads("kim", ["ann"])).toEqual([{ pos: 0, epoch: "0" }]);
    expect(await stored(other, talk("ann", "bob", { clientMsgId: "c1" }))).toMatchObject({ seq: 1, duplicate: false });
  });

  messagesComeAgain(check);
}
