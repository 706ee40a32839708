import { expect } from "bun:test";
import { ImError } from "../../src/base/errors.ts";
import type { Appended, ImStore } from "../../src/message/message_store.ts";
import { bodiesOf, change, group, groupTalk, inboxOf, madeHeads } from "./group_talk.ts";
import { type Check, INBOX_GROUP } from "./message_place.ts";
import { stored, talk } from "./message_talk.ts";

const crowd = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `m${from + i}`);

/** Makes a group that is large from the start. */
async function largeGroup(store: ImStore, owner: string, others: readonly string[] = []): Promise<string> {
  const { id } = await store.createGroup(group(owner, [...others, ...crowd(INBOX_GROUP)]));
  return id;
}

/** The part of the contract about groups over the limit. */
export function groupsGrowLarge(check: Check): void {
  check("a group over the limit is large from then on, and stays so", async (store, place) => {
    const { id } = await store.createGroup(group("m0", crowd(INBOX_GROUP)));
    const small = await stored(store, groupTalk("m0", id, { body: "small" }));
    expect(small.fan?.length).toBe(INBOX_GROUP);
    expect(await store.rooms("kim", "m0")).toEqual([]);
    const grown = await store.join(change(id, ["late"]));
    expect(grown).toEqual({ changed: ["late"], seq: 1, large: true, becameLarge: true });
    const request = groupTalk("m1", id, { body: "large", clientMsgId: "c", key: { scope: "s", n: 1, low: 1 } });
    const large = await stored(store, request);
    expect(large).toMatchObject({ seq: 2, senderPos: 0, receiverPos: 0, room: true });
    expect(large.fan).toBeUndefined();
    expect(await store.join(change(id, ["later"]))).toMatchObject({ seq: 2, large: true, becameLarge: false });
    expect(await store.quit(change(id, crowd(INBOX_GROUP, 2)))).toMatchObject({ large: true, becameLarge: false });
    expect(await store.group("kim", id)).toMatchObject({ memberCount: 4, largeFrom: 1, head: 2 });
    expect(await stored(store, groupTalk("m0", id))).toMatchObject({ seq: 3, room: true });
    expect(await bodiesOf(store, ["m0", "m1", "late"])).toEqual([["small"], ["small"], []]);
    expect(await store.rooms("kim", "m0")).toEqual([{ group: id, joinedSeq: 0, head: 3 }]);
    expect(await store.rooms("kim", "late")).toEqual([{ group: id, joinedSeq: 1, head: 3 }]);
    expect(await store.rooms("kim", "m3")).toEqual([]);
    expect(await store.rooms("other", "m0")).toEqual([]);
    expect(await store.append([groupTalk("m3", id), groupTalk("nobody", id)])).toMatchObject([
      { code: "UNAUTHORIZED" },
      { code: "UNAUTHORIZED" },
    ]);
    const again = { ...large, duplicate: true };
    expect(await stored(store, request)).toEqual(again);
    const unknown = (1n).toString(36);
    expect(await store.roomHeads("kim", [unknown, id, id])).toEqual([0, 3, 3]);
    expect(await store.roomHeads("other", [id])).toEqual([0]);
    const room = await store.roomMessages("kim", id, 1, 1);
    expect(room).toMatchObject({ first: 1, head: 3, rows: [{ seq: 2, sender: "m1", body: "large" }] });
    await store[Symbol.asyncDispose]();
    await using reopened = await place.open();
    expect(await stored(reopened, request)).toEqual(again);
    expect(await stored(reopened, groupTalk("m1", id, { body: "large", clientMsgId: "c" }))).toEqual(again);
    expect(await stored(reopened, groupTalk("late", id))).toMatchObject({ seq: 4, room: true });
    expect(await reopened.rooms("kim", "late")).toEqual([{ group: id, joinedSeq: 1, head: 4 }]);
  });

  check("a group made with more members than the limit is large at once", async (store) => {
    const { id, members } = await store.createGroup(group("ann", crowd(INBOX_GROUP)));
    expect(members.length).toBe(INBOX_GROUP + 1);
    expect(await store.group("kim", id)).toMatchObject({ largeFrom: 0, memberCount: INBOX_GROUP + 1 });
    expect(await stored(store, groupTalk("ann", id))).toMatchObject({ seq: 1, room: true });
  });

  check("5,000 accounts join in one call, and are found", async (store) => {
    const id = await largeGroup(store, "ann");
    const many = crowd(5_000, 100);
    const { changed } = await store.join(change(id, many));
    expect(changed).toEqual(many);
    expect((await store.group("kim", id))?.memberCount).toBe(5_001 + INBOX_GROUP);
    expect(await stored(store, groupTalk("m4999", id))).toMatchObject({ room: true });
    expect(await store.isMember("kim", id, "m5099")).toBe(true);
    const page = await store.members("kim", id, undefined, 5_004);
    expect(page.members.slice(1 + INBOX_GROUP).map((one) => one.account)).toEqual(
      many.slice(0, 5_004 - 1 - INBOX_GROUP),
    );
    expect((await store.members("kim", id, page.next, 10)).members.map((one) => one.account)).toEqual(
      many.slice(5_004 - 1 - INBOX_GROUP),
    );
  });

  check("rows are made in message order over several groups, as many as asked for", async (store) => {
    const one = await largeGroup(store, "ann"), two = await largeGroup(store, "bob", ["ann"]);
    await stored(store, talk("cat", "ann", { body: "before" }));
    for (let i = 0; i < 6; i++) {
      await stored(store, groupTalk(i % 3 ? "ann" : "m0", i % 2 ? one : two, { body: `${i}` }));
    }
    expect(await madeHeads(store, "kim", ["ann", "nobody", "m0"], 0n, 4)).toEqual([5, 0, 4]);
    expect((await bodiesOf(store, ["ann"]))[0]).toEqual(["before", "0", "1", "2", "3"]);
    await stored(store, talk("cat", "ann", { body: "between" }));
    expect(await madeHeads(store, "kim", ["ann"], 0n, 100)).toEqual([8]);
    expect(await madeHeads(store, "kim", ["ann", "ann"], 0n, 100)).toEqual([8, 8]);
    const fresh = await stored(store, groupTalk("ann", one, { body: "last" }));
    expect(await store.makeRows("kim", ["m0", "ann"], 0n, 100)).toMatchObject([
      { rows: [{}, {}, { group: one, seq: fresh.seq, pos: 7 }] },
      { head: 9, rows: [{ group: one, seq: fresh.seq, pos: 9 }] },
    ]);
    const rows = (await inboxOf(store, "ann")).slice(0, -1);
    expect(rows.map((row) => row.body)).toEqual(["before", "0", "1", "2", "3", "between", "4", "5"]);
    expect(rows.map((row) => row.direction)).toEqual([0, 0, 1, 1, 0, 0, 1, 1]);
    expect(rows.map((row) => row.group)).toEqual(["", two, one, two, one, "", two, one]);
    expect(rows.map((row) => row.peer)).toEqual(["cat", "m0", "ann", "ann", "m0", "cat", "ann", "ann"]);
    const positions = await Promise.all(rows.map((row) => store.position("kim", "ann", row.messageId)));
    expect(positions).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect((await store.contents("kim", "ann", rows.map((row) => row.messageId))).map((found) => found?.body)).toEqual(
      rows.map((row) => row.body),
    );
    const last = rows.at(-1)!.messageId;
    expect(await store.contents("kim", "cat", [last])).toEqual([undefined]);
    expect(await store.position("kim", "cat", last)).toBeUndefined();
    expect(await madeHeads(store, "other", ["ann"], 0n, 100)).toEqual([1]);
  });

  check("rows that were made late are passed over by `since` as others are", async (store) => {
    const id = await largeGroup(store, "ann");
    const times: bigint[] = [];
    for (let i = 0; i < 6; i++) {
      times.push(
        (await stored(store, i % 2 ? groupTalk("m0", id, { body: `${i}` }) : talk("bob", "ann", { body: `${i}` })))
          .sendTime,
      );
    }
    expect(await madeHeads(store, "kim", ["ann"], 0n, 2)).toEqual([5]);
    const bodies = async (since: bigint) =>
      (await store.messages("kim", "ann", { after: 0, limit: 9, since })).rows.map((row) => row.body);
    expect(await bodies(0n)).toEqual(["0", "2", "4", "1", "3"]);
    expect(await bodies(times[2]!)).toEqual(["2", "4", "3"]);
    expect(await bodies(times[4]!)).toEqual(["4"]);
    expect(await bodies(times[5]!)).toEqual([]);
    const { rows } = await store.entries("kim", "ann", { after: 3, limit: 9 });
    expect(rows.map((row) => row.sendTime)).toEqual([times[1]!, times[3]!]);
  });

  check("messages before `since` get no rows, then or later", async (store) => {
    const id = await largeGroup(store, "ann");
    const sent: Appended[] = [];
    for (let i = 0; i < 5; i++) sent.push(await stored(store, groupTalk("m0", id, { body: `${i}` })));
    expect(await madeHeads(store, "kim", ["ann"], sent[2]!.sendTime, 1)).toEqual([1]);
    expect(await madeHeads(store, "kim", ["ann"], 0n, 9)).toEqual([3]);
    expect((await bodiesOf(store, ["ann"]))[0]).toEqual(["2", "3", "4"]);
    expect(await madeHeads(store, "kim", ["m1"], sent[4]!.sendTime + 1n, 9)).toEqual([0]);
    await stored(store, groupTalk("m0", id, { body: "5" }));
    expect(await madeHeads(store, "kim", ["m1"], 0n, 9)).toEqual([1]);
    expect((await bodiesOf(store, ["m1"]))[0]).toEqual(["5"]);
  });

  check("rows are made for what was sent while somebody was in, each time", async (store, place) => {
    const id = await largeGroup(store, "ann");
    const send = (body: string) => stored(store, groupTalk("ann", id, { body }));
    await send("1");
    await store.join(change(id, ["eve"]));
    await store.quit(change(id, ["eve"]));
    await store.join(change(id, ["eve"])); // nothing was sent between: as if she had stayed
    await send("2");
    await store.quit(change(id, ["eve"]));
    const missed = await send("3");
    await store.join(change(id, ["eve"]));
    await send("4");
    await send("5");
    expect(await madeHeads(store, "kim", ["eve"], 0n, 2)).toEqual([2]);
    await store.quit(change(id, ["eve"]));
    await send("6");
    expect(await madeHeads(store, "kim", ["eve"], 0n, 9)).toEqual([3]);
    expect((await bodiesOf(store, ["eve"]))[0]).toEqual(["2", "4", "5"]);
    expect(await store.contents("kim", "eve", [missed.messageId])).toEqual([undefined]);
    await store[Symbol.asyncDispose]();
    await using reopened = await place.open();
    expect(await madeHeads(reopened, "kim", ["eve"], 0n, 9)).toEqual([3]);
    expect((await reopened.join(change(id, ["eve"]))).seq).toBe(6);
    expect(await madeHeads(reopened, "kim", ["eve", "ann"], 0n, 3)).toEqual([3, 3]);
    expect(await stored(reopened, talk("ann", "eve"))).toMatchObject({ senderPos: 4, receiverPos: 4 });
    expect(await madeHeads(reopened, "kim", ["ann"], 0n, 9)).toEqual([7]);
    expect((await bodiesOf(reopened, ["ann"]))[0]).toEqual(["1", "2", "3", "ann to eve", "4", "5", "6"]);
  });

  check("crossing the limit under concurrent sends: every message has rows for all, or for nobody", async (store) => {
    const { id } = await store.createGroup(group("m0", crowd(INBOX_GROUP - 1)));
    const sends: Promise<(Appended | ImError)[]>[] = [], joins: Promise<unknown>[] = [];
    for (let i = 0; i < 12; i++) {
      sends.push(store.append(Array.from({ length: 3 }, (_, j) => groupTalk(`m${j}`, id, { body: `${i}.${j}` }))));
      if (i % 3 === 2) joins.push(store.join(change(id, [`late${i}`])));
    }
    const results = (await Promise.all(sends)).flat() as Appended[];
    await Promise.all(joins);
    const found = await store.group("kim", id);
    expect(found).toMatchObject({ memberCount: INBOX_GROUP + 3, largeFrom: 18, head: 36 });
    for (const { seq, fan, room } of results) {
      if (seq > 18) expect({ fan, room }).toEqual({ fan: undefined, room: true });
      else expect(fan?.length).toBe(seq > 9 ? INBOX_GROUP : INBOX_GROUP - 1);
    }
    expect((await inboxOf(store, "m1")).map((row) => row.seq)).toEqual(Array.from({ length: 18 }, (_, i) => i + 1));
    await store.makeRows("kim", ["m1", "late2", "late5"], 0n, 100);
    const seqs = async (name: string) => (await inboxOf(store, name)).map((row) => row.seq);
    expect(await seqs("m1")).toEqual(Array.from({ length: 36 }, (_, i) => i + 1));
    expect(await seqs("late2")).toEqual(Array.from({ length: 27 }, (_, i) => i + 10));
    expect(await seqs("late5")).toEqual(Array.from({ length: 18 }, (_, i) => i + 19));
  });
}
