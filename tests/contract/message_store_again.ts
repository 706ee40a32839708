import { expect } from "bun:test";
import type { Appended } from "../../src/message/message_store.ts";
import type { Check } from "./message_place.ts";
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
}
