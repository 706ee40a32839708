import { expect } from "bun:test";
import { ImError } from "../../src/base/errors.ts";
import type { Appended } from "../../src/message/message_store.ts";
import type { Check } from "./message_place.ts";
import { change, group, groupTalk } from "./group_talk.ts";
import { stored, talk } from "./message_talk.ts";

/** The part of the contract about requests that come again, fail, or come too late. */
export function messagesComeAgain(check: Check): void {
  check(
    "a key that comes again gets the first answer, in the same batch, in another, after a restart",
    async (store, place) => {
      const request = talk("ann", "bob", { key: { scope: "g1_c1", n: 1, low: 1 } });
      const [first, twin] = await store.append([request, request]) as Appended[];
      expect(first?.duplicate).toBe(false);
      const again = { ...first!, duplicate: true };
      expect(twin).toEqual(again);
      expect(await stored(store, { ...request, body: "a bug of the peer" })).toEqual(again);
      const other = await stored(store, { ...request, key: { scope: "g1_c2", n: 1, low: 1 } });
      expect(other).toMatchObject({ seq: 2, duplicate: false });
      await store[Symbol.asyncDispose]();
      await using reopened = await place.open();
      expect(await stored(reopened, request)).toEqual(again);
      expect((await stored(reopened, { ...request, key: { scope: "g1_c1", n: 2, low: 2 } })).seq).toBe(3);
    },
  );

  check("what is below low was answered: it is not stored a second time", async (store) => {
    const at = (n: number, low: number) => talk("ann", "bob", { key: { scope: "g1_c1", n, low } });
    await store.append([at(1, 1), at(2, 1), at(3, 3)]);
    const [late] = await store.append([at(2, 1)]);
    expect(late).toMatchObject({ code: "SYSTEM" });
    expect((await store.heads("kim", ["ann"]))[0]?.pos).toBe(3);
  });

  check("a client id stands for one content: again the first answer, else DUPLICATE_ID", async (store, place) => {
    const request = talk("ann", "bob", { clientMsgId: "c1" });
    const [first, twin, changed] = await store.append([request, request, { ...request, body: "changed" }]);
    const again = { ...first as Appended, duplicate: true };
    expect(twin).toEqual(again);
    expect(changed).toMatchObject({ code: "DUPLICATE_ID" });
    for (const other of [{ dest: "cat" }, { type: 2 }, { body: "" }, { extra: "x" }]) {
      expect(await store.append([{ ...request, ...other }])).toMatchObject([{ code: "DUPLICATE_ID" }]);
    }
    expect(await stored(store, { ...request, sender: "cat" })).toMatchObject({ seq: 1, duplicate: false });
    await store[Symbol.asyncDispose]();
    await using reopened = await place.open();
    expect(await stored(reopened, { ...request, key: { scope: "new", n: 1, low: 1 } })).toEqual(again);
    expect((await reopened.heads("kim", ["ann", "bob"])).map((head) => head.pos)).toEqual([1, 2]);
  });

  check("a batch that fails leaves nothing: no row, no number, no key", async (store, place) => {
    const known = talk("ann", "bob", { key: { scope: "c", n: 1, low: 1 }, clientMsgId: "first" });
    const first = await stored(store, known);
    const lost = talk("ann", "eve", { key: { scope: "c", n: 2, low: 1 }, clientMsgId: "second" });
    await place.failNext(store);
    const results = await store.append([lost, known, talk("bob", "ann")]);
    expect(results).toMatchObject([{ code: "SYSTEM" }, { ...first, duplicate: true }, { code: "SYSTEM" }]);
    expect((await store.heads("kim", ["ann", "bob", "eve"])).map((head) => head.pos)).toEqual([1, 1, 0]);
    expect(await stored(store, { ...lost, body: "not the same" })).toMatchObject({
      seq: 1,
      senderPos: 2,
      receiverPos: 1,
      duplicate: false,
    });
    expect(await stored(store, talk("bob", "ann"))).toMatchObject({ seq: 2, senderPos: 2, receiverPos: 3 });
    const { rows } = await store.messages("kim", "ann", { after: 0, limit: 10 });
    expect(rows.map((row) => row.body)).toEqual(["ann to bob", "not the same", "bob to ann"]);
  });

  check("what is too late to start is BUSY, unless it is stored already", async (store) => {
    const request = talk("ann", "bob", { key: { scope: "c", n: 1, low: 1 } });
    const first = await stored(store, request);
    const late = { ...request, startBy: -1 };
    const results = await store.append([late, { ...late, key: { scope: "c", n: 2, low: 1 } }, talk("ann", "bob")]);
    expect(results).toMatchObject([{ ...first, duplicate: true }, { code: "BUSY" }, { seq: 2 }]);
  });

  check(
    "what came again and was refused is never stored: not when its first copy comes, nor after a restart",
    async (store, place) => {
      const at = (n: number) => talk("ann", "bob", { key: { scope: "c", n, low: 1 } });
      const late = (n: number) => ({ ...at(n), startBy: -1, again: true });
      const known = await stored(store, at(1));
      const results = await store.append([late(2), at(2), late(1), late(3), late(3), at(4)]);
      expect(results.map((one) => one instanceof ImError ? one.code : one.seq)).toEqual([
        "BUSY",
        "BUSY",
        known.seq,
        "BUSY",
        "BUSY",
        2,
      ]);
      const copies = [at(3), { ...at(2), again: true }, at(2)];
      expect(await store.append(copies)).toMatchObject(copies.map(() => ({ code: "BUSY" })));
      await store[Symbol.asyncDispose]();
      await using reopened = await place.open();
      expect(await reopened.append(copies)).toMatchObject(copies.map(() => ({ code: "BUSY" })));
      expect(await stored(reopened, { ...at(3), key: { scope: "c", n: 5, low: 5 } })).toMatchObject({ seq: 3 });
      expect(await reopened.append([at(3)])).toMatchObject([expect.any(ImError)]);
      expect((await reopened.heads("kim", ["ann", "bob"])).map((head) => head.pos)).toEqual([3, 3]);
    },
  );

  check(
    "what comes again when a later one of its sender is stored is refused: it would be out of order",
    async (store) => {
      const at = (n: number, sender = "ann") => talk(sender, "bob", { key: { scope: "c", n, low: 1 } });
      const late = { ...at(2), startBy: -1 };
      expect(await store.append([at(1), late, at(3)])).toMatchObject([{ seq: 1 }, { code: "BUSY" }, { seq: 2 }]);
      const again = [1, 2, 3, 4].map((n) => ({ ...at(n), again: true }));
      const answers = [{ seq: 1 }, { code: "BUSY" }, { seq: 2 }, { seq: 3 }];
      expect(await store.append(again)).toMatchObject(answers);
      expect(await store.append([at(2)])).toMatchObject([{ code: "BUSY" }]);
      await store.append([at(9)]);
      const cat = { ...at(8, "cat"), again: true }; // scopes of the API serve many
      expect(await store.append([cat, { ...at(7), again: true }])).toMatchObject([{ seq: 1 }, { code: "BUSY" }]);
    },
  );

  check("a refusal that is not the last word leaves the key free", async (store) => {
    const request = talk("ann", "bob", { key: { scope: "c", n: 1, low: 1 } });
    expect(await store.append([{ ...request, startBy: -1 }])).toMatchObject([{ code: "BUSY" }]);
    expect(await stored(store, { ...request, again: true })).toMatchObject({ seq: 1, duplicate: false });
  });

  check("so is what came again when a batch failed, or when its group did not let it in", async (store, place) => {
    const { id } = await store.createGroup(group("ann", []));
    const lost = talk("ann", "bob", { key: { scope: "c", n: 1, low: 1 } });
    await place.failNext(store);
    expect(await store.append([{ ...lost, again: true }, talk("ann", "bob")])).toMatchObject([
      expect.any(ImError),
      { code: "SYSTEM" },
    ]);
    expect(await store.append([lost])).toMatchObject([{ code: "BUSY" }]);
    const sent = groupTalk("bob", id, { key: { scope: "c", n: 2, low: 1 } });
    expect(await store.append([{ ...sent, again: true }])).toMatchObject([{ code: "UNAUTHORIZED" }]);
    await store.join(change(id, ["bob"]));
    expect(await store.append([sent])).toMatchObject([{ code: "BUSY" }]);
    expect(await stored(store, groupTalk("bob", id))).toMatchObject({ seq: 1 });
    expect((await store.heads("kim", ["bob"]))[0]?.pos).toBe(1);
  });

  check(
    "copies in any order, across restarts: each request is stored once or never, whatever was said last",
    async (first, place) => {
      let store = first, state = 7;
      const random = (
        below: number,
      ) => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff, (state >> 8) % below);
      const said = new Map<number, bigint | "refused">();
      let closed = store[Symbol.asyncDispose].bind(store);
      for (let round = 0; round < 3; round++) {
        for (let step = 0; step < 20; step++) {
          const batch = Array.from({ length: 1 + random(4) }, () => {
            const n = 1 + random(30), again = random(2) === 0;
            return talk("ann", "bob", {
              key: { scope: "c", n, low: 1 },
              again,
              startBy: random(2) === 0 ? -1 : Infinity,
            });
          });
          for (const [i, result] of (await store.append(batch)).entries()) {
            const { key, again, startBy } = batch[i]!, n = key!.n, before = said.get(n);
            const isOvertaken = again && [...said].some(([later, what]) => later > n && what !== "refused");
            const isRefused = startBy === -1 || isOvertaken;
            if (before === "refused") expect([n, result]).toMatchObject([n, { code: "BUSY" }]);
            else if (before !== undefined) {
              expect([n, result]).toMatchObject([n, {
                messageId: before,
                duplicate: true,
              }]);
            } else if (!isRefused) said.set(n, (result as Appended).messageId);
            else if (again) said.set(n, "refused");
            if (before === undefined && isRefused) expect([n, result]).toMatchObject([n, { code: "BUSY" }]);
          }
        }
        await closed();
        store = await place.open();
        closed = store[Symbol.asyncDispose].bind(store);
      }
      const stored = [...said.values()].filter((one) => one !== "refused");
      expect((await store.heads("kim", ["bob"]))[0]?.pos).toBe(stored.length);
      expect(Math.min(stored.length, said.size - stored.length)).toBeGreaterThan(3);
      await closed();
    },
  );
}
