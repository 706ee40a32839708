import { expect } from "bun:test";
import type { Peer } from "../../src/message/conversation_store.ts";
import type { Appended, ImStore } from "../../src/message/message_store.ts";
import { byAccount, change, group, groupTalk, madeHeads, refusal } from "./group_talk.ts";
import { type Check, INBOX_GROUP, type StorePlace } from "./message_place.ts";
import { stored, talk } from "./message_talk.ts";

const crowd = Array.from({ length: INBOX_GROUP }, (_, i) => `m${i}`);
const BOB: Peer = { account: "bob" };

/** Rows of an inbox that are left. */
async function left(store: ImStore, account: string): Promise<[number, string][]> {
  const { rows } = await store.messages("kim", account, { after: 0, limit: 10_000 });
  return rows.map((row) => [row.pos, row.body]);
}

async function reopen(store: ImStore, place: StorePlace): Promise<ImStore> {
  await store[Symbol.asyncDispose]();
  return await place.open();
}

/** The part of the contract about removal. */
export function messagesAreRemoved(check: Check): void {
  check(
    "the oldest messages go first, as many as asked for; heads, epochs and numbering stay",
    async (store, place) => {
      const sent: Appended[] = [];
      for (let i = 1; i <= 6; i++) sent.push(await stored(store, talk(i % 2 ? "ann" : "cat", "bob", { body: `${i}` })));
      await store.ack("kim", "bob", "phone", 2);
      const [before] = await store.heads("kim", ["bob"]);
      expect(before?.trimmed).toBeUndefined();
      expect(await store.removeBefore(sent[0]!.sendTime, 100)).toBe(0);
      expect(await store.removeBefore(sent[4]!.sendTime, 3)).toBe(3);
      expect(await left(store, "bob")).toEqual([[4, "4"], [5, "5"], [6, "6"]]);
      expect(await store.removeBefore(sent[4]!.sendTime, 100)).toBe(1);
      expect(await store.removeBefore(sent[4]!.sendTime, 100)).toBe(0);
      const look = async (from: ImStore) => {
        expect(await from.heads("kim", ["bob", "ann", "cat"])).toEqual([
          { ...before!, trimmed: 4 },
          { pos: 3, trimmed: 2, epoch: (await from.heads("kim", ["ann"]))[0]!.epoch },
          { pos: 3, trimmed: 2, epoch: (await from.heads("kim", ["cat"]))[0]!.epoch },
        ]);
        expect(await left(from, "bob")).toEqual([[5, "5"], [6, "6"]]);
        const page = await from.entries("kim", "bob", { after: 1, upTo: 3, limit: 5 });
        expect(page).toMatchObject({ rows: [], scannedTo: 3, head: { pos: 6, trimmed: 4 } });
        expect((await from.entries("kim", "bob", { after: 2, limit: 1 })).rows.map((row) => row.pos)).toEqual([5]);
        expect((await from.entries("kim", "bob", { after: 0, limit: 9, since: sent[5]!.sendTime })).rows.length).toBe(
          1,
        );
        expect(await from.contents("kim", "bob", [sent[0]!.messageId, sent[4]!.messageId])).toMatchObject([
          undefined,
          { body: "5" },
        ]);
        expect(await from.position("kim", "bob", sent[0]!.messageId)).toBeUndefined();
        expect(await from.acked("kim", "bob", "phone")).toBe(2);
        expect(await from.history("kim", "ann", BOB, { after: 0, limit: 9 })).toMatchObject({ first: 3, head: 3 });
        expect((await from.history("kim", "ann", BOB, { before: 9, limit: 9 })).rows.map((row) => row.body)).toEqual([
          "5",
        ]);
      };
      await look(store);
      await using again = await reopen(store, place);
      await look(again);
      expect(await stored(again, talk("ann", "bob"))).toMatchObject({ seq: 4, senderPos: 4, receiverPos: 7 });
      expect(await again.ack("kim", "bob", "phone", 6)).toBe(6);
    },
  );

  check("a store that lost everything goes on where it was", async (store, place) => {
    const { id } = await store.createGroup(group("ann", ["bob"]));
    await stored(store, talk("ann", "bob"));
    await stored(store, groupTalk("bob", id));
    const last = await stored(store, talk("ann", "bob"));
    expect(await store.removeBefore(last.sendTime + 1n, 100)).toBe(3);
    await using again = await reopen(store, place);
    expect(await left(again, "ann")).toEqual([]);
    expect(await again.heads("kim", ["ann", "bob"])).toMatchObject([{ pos: 3, trimmed: 3 }, { pos: 3, trimmed: 3 }]);
    expect(await again.history("kim", "ann", BOB, { before: 9, limit: 9 })).toEqual({ rows: [], first: 3, head: 2 });
    const group1: Peer = { group: id };
    expect(await again.history("kim", "ann", group1, { after: 0, limit: 9 })).toEqual({ rows: [], first: 2, head: 1 });
    const lines = (await again.conversations("kim", "bob", undefined, 9)).conversations;
    expect(lines.map(({ peer, head, last, unread }) => [peer, head, last, unread]).sort()).toEqual([
      [{ account: "ann" }, 2, undefined, 0],
      [group1, 1, undefined, 0],
    ].sort());
    const next = await stored(again, talk("ann", "bob"));
    expect(next).toMatchObject({ seq: 3, senderPos: 4, receiverPos: 4 });
    expect(next.messageId).toBeGreaterThan(last.messageId);
    expect(next.sendTime).toBeGreaterThan(last.sendTime);
    const grouped = await stored(again, groupTalk("bob", id));
    expect(grouped.seq).toBe(2);
    expect(byAccount(grouped.fan)).toEqual({ ann: 5, bob: 5 });
    expect(await left(again, "bob")).toEqual([[4, "ann to bob"], [5, "bob to group"]]);
  });

  check(
    "a client id whose message was removed is still answered, or refused for another content",
    async (store, place) => {
      const { id } = await store.createGroup(group("ann", ["bob"]));
      const { id: large } = await store.createGroup(group("ann", crowd));
      const requests = [
        talk("ann", "bob", { body: "grüße 👋", extra: "x", type: 3, clientMsgId: "c1" }),
        groupTalk("ann", id, { clientMsgId: "c2" }),
        groupTalk("ann", large, { clientMsgId: "c3" }),
      ];
      const first: Appended[] = [];
      for (const request of requests) first.push(await stored(store, request));
      await store.removeBefore(first[2]!.sendTime + 1n, 100);
      const expected = first.map(({ fan: _, ...one }) => ({ ...one, duplicate: true }));
      const look = async (from: ImStore) => {
        for (const [i, request] of requests.entries()) {
          const { fan: _, ...again } = await stored(from, request);
          expect(again).toEqual(expected[i]!);
          for (const over of [{ body: "other" }, { extra: "other" }, { type: 9 }, { dest: "cat", group: false }]) {
            expect(await from.append([{ ...request, ...over }])).toMatchObject([{ code: "DUPLICATE_ID" }]);
          }
        }
      };
      await look(store);
      await using again = await reopen(store, place);
      await look(again);
      expect((await again.heads("kim", ["ann"]))[0]).toMatchObject({ pos: 2, trimmed: 2 });
    },
  );

  check("a large group loses its beginning: rows are made for what is left", async (store, place) => {
    const { id } = await store.createGroup(group("ann", crowd));
    const sent: Appended[] = [];
    for (let i = 1; i <= 4; i++) sent.push(await stored(store, groupTalk("ann", id, { body: `${i}` })));
    expect(await madeHeads(store, "kim", ["m0"], 0n, 1)).toEqual([1]);
    expect(await store.removeBefore(sent[2]!.sendTime, 9)).toBe(2);
    expect(await store.heads("kim", ["m0"])).toMatchObject([{ pos: 1, trimmed: 1 }]);
    expect(await madeHeads(store, "kim", ["m0", "m1"], 0n, 9)).toEqual([3, 2]);
    expect(await left(store, "m0")).toEqual([[2, "3"], [3, "4"]]);
    expect(await left(store, "m1")).toEqual([[1, "3"], [2, "4"]]);
    expect(await store.roomMessages("kim", id, 0, 9)).toMatchObject({
      first: 3,
      head: 4,
      rows: [{ seq: 3 }, { seq: 4 }],
    });
    await store.join(change(id, ["late"]));
    expect(await store.removeBefore(sent[3]!.sendTime + 1n, 9)).toBe(2);
    await using again = await reopen(store, place);
    expect(await madeHeads(again, "kim", ["m2", "late"], 0n, 9)).toEqual([0, 0]);
    expect(await again.rooms("kim", "late")).toEqual([{ group: id, joinedSeq: 4, head: 4 }]);
    expect(await again.group("kim", id)).toMatchObject({ head: 4, largeFrom: 0 });
    expect(await stored(again, groupTalk("late", id, { body: "5" }))).toMatchObject({ seq: 5, room: true });
    expect(await madeHeads(again, "kim", ["m2", "late"], 0n, 9)).toEqual([1, 1]);
  });

  check(
    "rows that were made late go with their message, and leave no number to be given twice",
    async (store, place) => {
      const { id } = await store.createGroup(group("ann", crowd));
      const old = await stored(store, groupTalk("ann", id, { body: "old" }));
      const young = await stored(store, talk("bob", "m0", { body: "young" }));
      await stored(store, groupTalk("ann", id, { body: "younger" }));
      expect(await madeHeads(store, "kim", ["m0"], 0n, 1)).toEqual([2]); // the old one stands behind the young one
      expect(await store.removeBefore(young.sendTime, 9)).toBe(1);
      const look = async (from: ImStore) => {
        expect(await left(from, "m0")).toEqual([[1, "young"]]);
        expect((await from.entries("kim", "m0", { after: 0, limit: 9 })).rows.map((row) => row.pos)).toEqual([1]);
        const [head] = await from.heads("kim", ["m0"]);
        expect([head?.pos, head?.trimmed]).toEqual([2, undefined]);
        expect(await from.position("kim", "m0", old.messageId)).toBeUndefined();
      };
      await look(store);
      await using again = await reopen(store, place);
      await look(again);
      expect(await madeHeads(again, "kim", ["m0"], 0n, 9)).toEqual([3]);
      expect(await left(again, "m0")).toEqual([[1, "young"], [3, "younger"]]);
      expect(await again.removeBefore(young.sendTime + 1n, 9)).toBe(1);
      expect(await left(again, "m0")).toEqual([[3, "younger"]]);
      expect(await again.heads("kim", ["m0"])).toMatchObject([{ pos: 3, trimmed: 2 }]);
    },
  );

  check("removal runs beside appends, and neither harms the other", async (store) => {
    const { id } = await store.createGroup(group("ann", ["bob", "cat"]));
    const send = (from: number, count: number) =>
      store.append(Array.from({ length: count }, (_, i) => {
        const body = `${from + i}`;
        return i % 3 ? talk("ann", i % 2 ? "bob" : "cat", { body }) : groupTalk("bob", id, { body });
      }));
    const first = await send(0, 600) as Appended[];
    const [removed] = await Promise.all([
      store.removeBefore(first[500]!.sendTime, 1_000),
      send(600, 300),
      send(900, 300),
    ]);
    expect(removed).toBe(500);
    const { rows, head } = await store.messages("kim", "ann", { after: 0, limit: 5_000 });
    expect(rows.map((row) => row.body)).toEqual(Array.from({ length: 700 }, (_, i) => `${500 + i}`));
    expect(head).toMatchObject({ pos: 1_200, trimmed: 500 });
    expect(rows.map((row) => row.pos)).toEqual(Array.from({ length: 700 }, (_, i) => 501 + i));
  });

  check("the same names in two apps lose each their own", async (store) => {
    const apps = ["kim", "other"];
    const sent: Appended[] = [];
    for (let i = 0; i < 4; i++) {
      sent.push(await stored(store, talk("ann", "bob", { app: apps[i % 2]!, clientMsgId: `${i >> 1}` })));
    }
    expect(await store.removeBefore(sent[1]!.sendTime, 9)).toBe(1);
    expect(await store.heads("kim", ["bob"])).toMatchObject([{ pos: 2, trimmed: 1 }]);
    const [other] = await store.heads("other", ["bob"]);
    expect([other?.pos, other?.trimmed]).toEqual([2, undefined]);
    for (const [i, app] of apps.entries()) {
      expect(await stored(store, talk("ann", "bob", { app, clientMsgId: "0" }))).toEqual({
        ...sent[i]!,
        duplicate: true,
      });
    }
  });

  check("a removal that fails leaves everything where it was", async (store, place) => {
    const { id } = await store.createGroup(group("ann", ["bob"]));
    await stored(store, talk("ann", "bob"));
    const last = await stored(store, groupTalk("ann", id));
    await place.failNext(store);
    const calls = [
      store.append([talk("cat", "dan")]),
      refusal(store.removeBefore(last.sendTime + 1n, 9)),
    ] as const;
    const [[appended], removed] = await Promise.all(calls);
    const failed = removed === "SYSTEM";
    expect(failed || appended instanceof Error).toBe(true);
    expect((await left(store, "bob")).length).toBe(failed ? 2 : 0);
    expect((await store.heads("kim", ["bob"]))[0]?.trimmed).toBe(failed ? undefined : 2);
    expect(await stored(store, talk("ann", "bob"))).toMatchObject({ seq: 2, receiverPos: 3 });
    await store.removeBefore(last.sendTime + 1n, 9);
    expect(await left(store, "bob")).toEqual([[3, "ann to bob"]]);
  });
}
