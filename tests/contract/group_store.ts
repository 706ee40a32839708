import { expect, test } from "bun:test";
import { ImError } from "../../src/base/errors.ts";
import type { Appended } from "../../src/message/message_store.ts";
import { fromBase36 } from "../../src/protocol/base36.ts";
import { groupsComeAgain } from "./group_store_again.ts";
import { groupsGrowLarge } from "./group_store_large.ts";
import { besideStrangers, bodiesOf, byAccount, change, group, groupTalk, inboxOf, refusal } from "./group_talk.ts";
import type { Check, StorePlace } from "./message_place.ts";
import { stored, talk } from "./message_talk.ts";

const MALFORMED = ["", "0", "-1", "ABC", "x y", "zzzzzzzzzzzzzz", "1".repeat(500), "a\u0000", "1; DROP TABLE groups"];

/** What GroupStore promises, whoever keeps it. `make` gives an empty place. */
export function groupStoreContract(name: string, make: () => Promise<StorePlace>): void {
  const plain: Check = (what, body) =>
    test(`GroupStore/${name}: ${what}`, async () => {
      await using place = await make();
      await using store = await place.open();
      await body(store, place);
    });
  const check = besideStrangers(plain);

  check("a new group has its owner first, nobody twice, and everything it was given", async (store) => {
    const from = Math.floor(Date.now() / 1000);
    const request = group("ann", ["bob", "ann", "cat", "bob"], {
      name: "grüße 👋",
      avatar: "http://a/b",
      introduction: "we\nmeet",
    });
    const { id, members } = await store.createGroup(request);
    expect(members).toEqual(["ann", "bob", "cat"]);
    expect(fromBase36(id)).toBeGreaterThan(0n);
    const found = await store.group("kim", id);
    expect(found).toEqual({
      id,
      name: "grüße 👋",
      avatar: "http://a/b",
      introduction: "we\nmeet",
      owner: "ann",
      createdAt: found!.createdAt,
      memberCount: 3,
      head: 0,
      largeFrom: undefined,
    });
    expect(found!.createdAt).toBeGreaterThanOrEqual(from - 60);
    expect(found!.createdAt).toBeLessThanOrEqual(from + 60);
    const page = await store.members("kim", id, undefined, 10);
    expect(page.members.map((one) => one.account)).toEqual(["ann", "bob", "cat"]);
    expect(page.members.every((one) => one.joinTime >= found!.createdAt && one.joinTime < from + 60)).toBe(true);
    expect(page.next).toBeUndefined();
    const alone = await store.createGroup(group("ann", []));
    expect(alone.members).toEqual(["ann"]);
    expect(alone.id).not.toBe(id);
  });

  check("a message is in the inbox of every member, with a position of its own", async (store) => {
    const { id } = await store.createGroup(group("ann", ["bob", "cat"]));
    await stored(store, talk("bob", "eve"));
    const sent = groupTalk("bob", id, { body: "hi 👋", extra: "e", type: 3, clientMsgId: "c1" });
    const one = await stored(store, sent);
    expect(one).toMatchObject({ seq: 1, senderPos: 2, receiverPos: 0, duplicate: false });
    expect(one.room ?? false).toBe(false);
    expect(byAccount(one.fan)).toEqual({ ann: 1, bob: 2, cat: 1 });
    const { messageId, sendTime } = one;
    const row = {
      messageId,
      sendTime,
      seq: 1,
      group: id,
      peer: "bob",
      sender: "bob",
      type: 3,
      body: "hi 👋",
      extra: "e",
    };
    expect(await inboxOf(store, "ann")).toEqual([{ ...row, pos: 1, direction: 0, clientMsgId: "c1" }]);
    expect((await inboxOf(store, "bob"))[1]).toEqual({ ...row, pos: 2, direction: 1, clientMsgId: "c1" });
    const { rows } = await store.entries("kim", "cat", { after: 0, limit: 9 });
    expect(rows).toEqual([{ pos: 1, messageId, direction: 0, peer: "bob", group: id, sendTime }]);
    const content = { messageId, type: 3, body: "hi 👋", extra: "e" };
    expect(await store.contents("kim", "cat", [messageId])).toEqual([content]);
    expect(await store.contents("kim", "bob", [messageId])).toEqual([content]);
    expect(await store.contents("kim", "eve", [messageId])).toEqual([undefined]);
    expect(await store.contents("other", "cat", [messageId])).toEqual([undefined]);
    const positions = await Promise.all(
      ["ann", "bob", "cat", "eve"].map((name) => store.position("kim", name, messageId)),
    );
    expect(positions).toEqual([1, 2, 1, undefined]);
    expect((await store.group("kim", id))?.head).toBe(1);
    expect((await store.heads("kim", ["ann", "bob", "cat", "eve"])).map((head) => head.pos)).toEqual([1, 2, 1, 1]);
  });

  check("only members write, and only to groups that there are", async (store) => {
    const { id } = await store.createGroup(group("ann", ["bob"]));
    const elsewhere = await store.createGroup(group("ann", ["bob", "cat"], { app: "third" }));
    const results = await store.append([
      groupTalk("cat", id),
      groupTalk("nobody", id),
      groupTalk("ann", elsewhere.id),
      groupTalk("ann", "1"),
      groupTalk("ann", id),
      talk("ann", id),
    ]);
    const codes = results.map((one) => one instanceof ImError ? one.code : one.seq);
    expect(codes).toEqual(["UNAUTHORIZED", "UNAUTHORIZED", "INVALID_BODY", "INVALID_BODY", 1, 1]);
    expect(await bodiesOf(store, ["ann", "bob", "cat"])).toEqual([
      ["ann to group", `ann to ${id}`],
      ["ann to group"],
      [],
    ]);
    for (const name of ["ann", "bob"]) expect(await inboxOf(store, name, "third")).toEqual([]);
  });

  check("malformed group ids are unknown groups, everywhere", async (store) => {
    for (const id of MALFORMED) {
      expect(await store.group("kim", id)).toBeUndefined();
      expect(await store.isMember("kim", id, "ann")).toBe(false);
      expect(await refusal(store.members("kim", id, undefined, 10))).toBe("INVALID_BODY");
      expect(await refusal(store.join(change(id, ["ann"])))).toBe("INVALID_BODY");
      expect(await refusal(store.quit(change(id, ["ann"], { by: "ann" })))).toBe("INVALID_BODY");
      expect(await store.append([groupTalk("ann", id)])).toMatchObject([{ code: "INVALID_BODY" }]);
      expect(await store.roomHeads("kim", [id])).toEqual([0]);
      expect(await refusal(store.history("kim", "ann", { group: id }, { after: 0, limit: 1 }))).toBe("INVALID_BODY");
      expect(await refusal(store.roomMessages("kim", id, 0, 1))).toBe("INVALID_BODY");
      expect(await refusal(store.setRead("kim", "ann", { group: id }, 1))).toBe("INVALID_BODY");
    }
    const pair = await stored(store, talk("ann", "bob"));
    expect(await store.group("kim", pair.messageId.toString(36))).toBeUndefined();
    expect((await store.heads("kim", ["ann", "bob"])).map((head) => head.pos)).toEqual([1, 1]);
  });

  check("members add, owners remove, everybody comes and goes alone", async (store) => {
    const { id } = await store.createGroup(group("ann", ["bob"]));
    const join = (by: string | undefined, ...accounts: string[]) => store.join(change(id, accounts, { by }));
    const quit = (by: string | undefined, ...accounts: string[]) => store.quit(change(id, accounts, { by }));
    expect(await refusal(join("cat", "dan"))).toBe("UNAUTHORIZED");
    expect(await refusal(join("cat", "cat", "dan"))).toBe("UNAUTHORIZED");
    expect(await join("cat", "cat")).toEqual({ changed: ["cat"], seq: 0, large: false, becameLarge: false });
    expect((await join("bob", "dan", "bob", "dan", "eve")).changed).toEqual(["dan", "eve"]);
    expect((await join("bob", "dan")).changed).toEqual([]);
    expect(await refusal(quit("bob", "cat"))).toBe("UNAUTHORIZED");
    expect(await refusal(quit("nobody", "cat"))).toBe("UNAUTHORIZED");
    expect((await quit("ann", "cat", "nobody")).changed).toEqual(["cat"]);
    expect((await quit("cat", "cat")).changed).toEqual([]);
    expect((await quit(undefined, "dan", "eve")).changed).toEqual(["dan", "eve"]);
    expect((await quit("ann", "ann")).changed).toEqual(["ann"]);
    expect(await store.group("kim", id)).toMatchObject({ owner: "", memberCount: 1 });
    expect(await refusal(quit("ann", "bob"))).toBe("UNAUTHORIZED");
    expect((await join("ann", "ann")).changed).toEqual(["ann"]);
    expect(await refusal(quit("ann", "bob"))).toBe("UNAUTHORIZED");
    const members = await Promise.all(["ann", "bob", "cat"].map((name) => store.isMember("kim", id, name)));
    expect(members).toEqual([true, true, false]);
    expect(await store.isMember("other", id, "bob")).toBe(false);
    expect((await store.members("kim", id, undefined, 9)).members.map((one) => one.account)).toEqual(["bob", "ann"]);
    expect(await refusal(store.join(change(id, ["x"], { app: "other" })))).toBe("INVALID_BODY");
    expect(await refusal(join(undefined, ...Array.from({ length: 5_001 }, (_, i) => `m${i}`)))).toBe("INVALID_BODY");
    expect((await join("bob")).changed).toEqual([]);
    expect(await quit("bob", "bob")).toMatchObject({ changed: ["bob"] });
    expect((await store.heads("kim", ["nobody", "dan"])).map((head) => head.pos)).toEqual([0, 0]);
  });

  check("members come page by page, in the order they joined", async (store) => {
    const { id } = await store.createGroup(group("m0", []));
    for (const i of [1, 2, 3]) await store.join(change(id, [`m${i}`]));
    await store.quit(change(id, ["m1"]));
    await store.join(change(id, ["m4", "m1"]));
    const pages: string[][] = [];
    for (let from: string | undefined, turns = 0; turns < 9; turns++) {
      const page = await store.members("kim", id, from, 2);
      pages.push(page.members.map((one) => one.account));
      if (page.next === undefined) break;
      from = page.next;
    }
    expect(pages).toEqual([["m0", "m2"], ["m3", "m4"], ["m1"]]);
    for (const from of ["", "-1", "A", "1 2", "z".repeat(40)]) {
      expect(await refusal(store.members("kim", id, from, 2))).toBe("INVALID_BODY");
    }
  });

  check("messages go to exactly those who were in when they were stored", async (store) => {
    const { id } = await store.createGroup(group("ann", ["bob"]));
    // Asked for in one turn: they happen in this order.
    const calls = [
      store.append([groupTalk("ann", id, { body: "1" })]),
      store.join(change(id, ["cat"])),
      store.append([groupTalk("ann", id, { body: "2" }), groupTalk("cat", id, { body: "3" })]),
      store.quit(change(id, ["bob"])),
      store.append([groupTalk("bob", id), groupTalk("ann", id, { body: "4" })]),
      store.join(change(id, ["bob"])),
      store.append([groupTalk("bob", id, { body: "5" })]),
    ] as const;
    const [, joined, , left, refused, back] = await Promise.all(calls);
    expect([joined.seq, left.seq, back.seq]).toEqual([1, 3, 4]);
    expect(refused[0]).toMatchObject({ code: "UNAUTHORIZED" });
    expect(await bodiesOf(store, ["ann", "bob", "cat"])).toEqual([
      ["1", "2", "3", "4", "5"],
      ["1", "2", "3", "5"],
      ["2", "3", "4", "5"],
    ]);
    const numbers = (await inboxOf(store, "ann")).map((row) => row.seq);
    expect(numbers).toEqual([1, 2, 3, 4, 5]);
    const second = (await inboxOf(store, "ann"))[0]!.messageId;
    expect(await store.contents("kim", "cat", [second])).toEqual([undefined]);
    expect(await store.position("kim", "cat", second)).toBeUndefined();
  });

  check("pairs and groups share inboxes without holes, under concurrency", async (store) => {
    const names = ["ann", "bob", "cat"];
    const groups = await Promise.all([0, 1].map((i) => store.createGroup(group(names[i]!, names))));
    const calls = Array.from({ length: 30 }, (_, i) => {
      const batch = Array.from({ length: 1 + i % 5 }, (_, j) => {
        const sender = names[(i + j) % 3]!;
        return j % 2 ? talk(sender, names[i % 3]!) : groupTalk(sender, groups[i % 2]!.id);
      });
      return store.append(batch);
    });
    const results = (await Promise.all(calls)).flat() as Appended[];
    expect(results.every((one) => !(one instanceof ImError))).toBe(true);
    for (const { fan, senderPos } of results) if (fan) expect(fan.map((one) => one.pos)).toContain(senderPos);
    for (const name of names) await inboxOf(store, name);
    for (const { id } of groups) {
      const seqs = (await inboxOf(store, "ann")).filter((row) => row.group === id).map((row) => row.seq);
      expect(seqs).toEqual(seqs.map((_, i) => i + 1));
    }
  });

  groupsComeAgain(check);
  groupsGrowLarge(check);
}
