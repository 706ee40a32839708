import { expect, test } from "bun:test";
import type { ConversationPage, HistoryPage, Peer } from "../../src/message/conversation_store.ts";
import type { ImStore } from "../../src/message/message_store.ts";
import { besideStrangers, change, group, groupTalk, refusal } from "./group_talk.ts";
import { type Check, INBOX_GROUP, type StorePlace } from "./message_place.ts";
import { messagesAreRemoved } from "./message_store_trim.ts";
import { stored, talk } from "./message_talk.ts";

const BOB: Peer = { account: "bob" }, ANN: Peer = { account: "ann" };
const bodies = (page: HistoryPage) => page.rows.map((row) => row.body);
/** Peer, head, read position and unread count of each line. */
const lines = (page: ConversationPage) =>
  page.conversations.map(({ peer, head, read, unread, last }) => [
    "group" in peer ? "group" : peer.account,
    head,
    read,
    unread,
    last?.body,
  ]);

async function list(store: ImStore, account: string, app = "kim"): Promise<unknown[]> {
  return lines(await store.conversations(app, account, undefined, 100));
}

/** What ConversationStore promises, and what removal leaves. `make` gives an empty place. */
export function conversationStoreContract(name: string, make: () => Promise<StorePlace>): void {
  const plain: Check = (what, body) =>
    test(`ConversationStore/${name}: ${what}`, async () => {
      await using place = await make();
      await using store = await place.open();
      await body(store, place);
    });
  const check = besideStrangers(plain);

  check("a pair's history is read up and down, by both, right after the answer", async (store, place) => {
    const sent = talk("ann", "bob", { body: "1", extra: "e", type: 7, clientMsgId: "c" });
    const first = await stored(store, sent);
    for (let i = 2; i <= 9; i++) {
      await stored(store, i % 2 ? talk("ann", "bob", { body: `${i}` }) : talk("bob", "ann", { body: `${i}` }));
    }
    await stored(store, talk("ann", "cat", { body: "cat" }));
    const look = async (from: ImStore) => {
      const up = await from.history("kim", "ann", BOB, { after: 0, limit: 3 });
      expect(up).toMatchObject({ first: 1, head: 9 });
      const { messageId, sendTime } = first;
      expect(up.rows[0]).toEqual({
        seq: 1,
        messageId,
        sendTime,
        sender: "ann",
        type: 7,
        body: "1",
        extra: "e",
        clientMsgId: "c",
      });
      expect(bodies(up)).toEqual(["1", "2", "3"]);
      expect(up.rows.map((row) => row.sender)).toEqual(["ann", "bob", "ann"]);
      expect(bodies(await from.history("kim", "bob", ANN, { after: 7, limit: 9 }))).toEqual(["8", "9"]);
      expect(bodies(await from.history("kim", "bob", ANN, { before: 10, limit: 4 }))).toEqual(["6", "7", "8", "9"]);
      expect(bodies(await from.history("kim", "bob", ANN, { before: 4, limit: 9 }))).toEqual(["1", "2", "3"]);
      expect(bodies(await from.history("kim", "bob", ANN, { before: 1_000_000, limit: 1 }))).toEqual(["9"]);
      for (
        const range of [{ before: 1, limit: 9 }, { after: 9, limit: 9 }, { after: 50, limit: 9 }, {
          after: 0,
          limit: 0,
        }]
      ) {
        expect(await from.history("kim", "ann", BOB, range)).toEqual({ rows: [], first: 1, head: 9 });
      }
      expect(bodies(await from.history("kim", "cat", ANN, { after: 0, limit: 9 }))).toEqual(["cat"]);
      for (const [app, peer] of [["kim", { account: "nobody" }], ["third", BOB]] as const) {
        expect(await from.history(app, "ann", peer, { before: 5, limit: 9 })).toEqual({ rows: [], first: 1, head: 0 });
      }
    };
    await look(store);
    await store[Symbol.asyncDispose]();
    await using reopened = await place.open();
    await look(reopened);
  });

  check("somebody's notes to himself are a conversation, too", async (store) => {
    await store.append([talk("ann", "ann", { body: "one" }), talk("ann", "ann", { body: "two" })]);
    expect(bodies(await store.history("kim", "ann", ANN, { before: 9, limit: 9 }))).toEqual(["one", "two"]);
    expect(await list(store, "ann")).toEqual([["ann", 2, 2, 0, "two"]]);
  });

  const kinds = [{ what: "a group", extra: [] }, {
    what: "a large group",
    extra: Array.from({ length: INBOX_GROUP }, (_, i) => `m${i}`),
  }];
  for (const { what, extra } of kinds) {
    check(`${what} is read by its members, each what was sent while it was in`, async (store, place) => {
      const { id } = await store.createGroup(group("ann", ["bob", ...extra]));
      const peer: Peer = { group: id };
      let n = 0;
      const send = async (count: number) => {
        for (let i = 0; i < count; i++) await stored(store, groupTalk("ann", id, { body: `${++n}` }));
      };
      await send(2);
      await store.join(change(id, ["eve"]));
      expect(await store.history("kim", "eve", peer, { before: 100, limit: 9 })).toEqual({
        rows: [],
        first: 3,
        head: 2,
      });
      await send(2);
      await store.quit(change(id, ["eve"]));
      expect(await refusal(store.history("kim", "eve", peer, { after: 0, limit: 9 }))).toBe("UNAUTHORIZED");
      await send(3);
      await store.join(change(id, ["eve"]));
      await send(2);
      const eve = async (range: { after: number; limit: number } | { before: number; limit: number }, from = store) => {
        const page = await from.history("kim", "eve", peer, range);
        expect(page).toMatchObject({ first: 3, head: 9 });
        return bodies(page);
      };
      expect(await eve({ after: 0, limit: 9 })).toEqual(["3", "4", "8", "9"]);
      expect(await eve({ after: 0, limit: 3 })).toEqual(["3", "4", "8"]);
      expect(await eve({ after: 3, limit: 2 })).toEqual(["4", "8"]);
      expect(await eve({ before: 9, limit: 2 })).toEqual(["4", "8"]);
      expect(await eve({ before: 7, limit: 9 })).toEqual(["3", "4"]);
      const all = Array.from({ length: 9 }, (_, i) => `${i + 1}`);
      expect(bodies(await store.history("kim", "bob", peer, { after: 0, limit: 50 }))).toEqual(all);
      expect(bodies(await store.roomMessages("kim", id, 0, 50))).toEqual(all);
      expect(bodies(await store.roomMessages("kim", id, 6, 2))).toEqual(["7", "8"]);
      expect(await store.roomHeads("kim", [id])).toEqual([9]);
      expect(await refusal(store.history("kim", "nobody", peer, { after: 0, limit: 9 }))).toBe("UNAUTHORIZED");
      expect(await refusal(store.history("other", "bob", peer, { after: 0, limit: 9 }))).toBe("INVALID_BODY");
      expect(await refusal(store.roomMessages("other", id, 0, 9))).toBe("INVALID_BODY");
      await store[Symbol.asyncDispose]();
      await using reopened = await place.open();
      expect(await eve({ before: 10, limit: 3 }, reopened)).toEqual(["4", "8", "9"]);
    });

    check(`${what} is on its members' lists while they are in, with what is unread`, async (store, place) => {
      const { id } = await store.createGroup(group("ann", ["bob", ...extra]));
      await stored(store, talk("cat", "bob", { body: "hi" }));
      for (const body of ["1", "2", "3"]) await stored(store, groupTalk("ann", id, { body }));
      expect(await list(store, "bob")).toEqual([["group", 3, 0, 3, "3"], ["cat", 1, 0, 1, "hi"]]);
      expect(await list(store, "ann")).toEqual([["group", 3, 3, 0, "3"]]);
      expect(await store.setRead("kim", "bob", { group: id }, 2)).toBe(2);
      expect((await list(store, "bob"))[0]).toEqual(["group", 3, 2, 1, "3"]);
      await stored(store, groupTalk("bob", id, { body: "4" }));
      expect((await list(store, "bob"))[0]).toEqual(["group", 4, 4, 0, "4"]);
      await store.join(change(id, ["eve"]));
      expect(await list(store, "eve")).toEqual([["group", 4, 4, 0, undefined]]);
      await stored(store, groupTalk("ann", id, { body: "5" }));
      expect(await list(store, "eve")).toEqual([["group", 5, 4, 1, "5"]]);
      const [line] = (await store.conversations("kim", "eve", undefined, 1)).conversations;
      expect(line).toMatchObject({ peer: { group: id }, group: { id, memberCount: 3 + extra.length, head: 5 } });
      expect(line!.group).toEqual(await store.group("kim", id));
      await store.quit(change(id, ["eve"]));
      expect(await list(store, "eve")).toEqual([]);
      expect(await refusal(store.setRead("kim", "eve", { group: id }, 5))).toBe("UNAUTHORIZED");
      await stored(store, groupTalk("ann", id, { body: "6" }));
      await store.join(change(id, ["eve"]));
      expect(await list(store, "eve")).toEqual([["group", 6, 6, 0, "5"]]);
      await store[Symbol.asyncDispose]();
      await using reopened = await place.open();
      expect(await list(reopened, "eve")).toEqual([["group", 6, 6, 0, "5"]]);
      expect(await list(reopened, "bob")).toEqual([["group", 6, 4, 2, "6"], ["cat", 1, 0, 1, "hi"]]);
      expect(await list(reopened, "ann")).toEqual([["group", 6, 6, 0, "6"]]);
    });
  }

  check("the list has the latest activity first, page by page", async (store, place) => {
    for (let i = 0; i < 7; i++) {
      await stored(store, talk(i % 2 ? "ann" : `p${i}`, i % 2 ? `p${i}` : "ann", { body: `${i}` }));
    }
    const { id } = await store.createGroup(group("p1", ["ann"]));
    await stored(store, talk("p2", "ann", { body: "late" }));
    const expected = ["p2", id, "p6", "p5", "p4", "p3", "p1", "p0"];
    const pages = async (from: ImStore, limit: number) => {
      const seen: string[][] = [];
      let next: string | undefined;
      do {
        const page: ConversationPage = await from.conversations("kim", "ann", next, limit);
        seen.push(page.conversations.map(({ peer }) => "group" in peer ? peer.group : peer.account));
        next = page.next;
      } while (next !== undefined && seen.length < 20);
      return seen;
    };
    expect(await pages(store, 3)).toEqual([expected.slice(0, 3), expected.slice(3, 6), expected.slice(6)]);
    expect(await pages(store, 8)).toEqual([expected]);
    expect((await pages(store, 1)).flat()).toEqual(expected);
    expect(await store.conversations("kim", "nobody", undefined, 9)).toMatchObject({ conversations: [] });
    expect(await store.conversations("third", "ann", undefined, 9)).toMatchObject({ conversations: [] });
    for (const from of ["", "x", "-1.2", "1", "9".repeat(50)]) {
      expect(await refusal(store.conversations("kim", "ann", from, 9))).toBe("INVALID_BODY");
    }
    await store[Symbol.asyncDispose]();
    await using reopened = await place.open();
    expect((await pages(reopened, 5)).flat()).toEqual(expected);
  });

  check("a read position moves forward, not back, not beyond the head, and with what is sent", async (store, place) => {
    for (let i = 0; i < 4; i++) await stored(store, talk("ann", "bob"));
    expect(await list(store, "bob")).toEqual([["ann", 4, 0, 4, "ann to bob"]]);
    expect(await store.setRead("kim", "bob", ANN, 2)).toBe(2);
    expect(await store.setRead("kim", "bob", ANN, 1)).toBe(2);
    expect(await store.setRead("kim", "bob", ANN, -5)).toBe(2);
    expect(await list(store, "bob")).toEqual([["ann", 4, 2, 2, "ann to bob"]]);
    expect(await store.setRead("kim", "bob", ANN, 99)).toBe(4);
    expect(await store.setRead("kim", "ann", BOB, 1)).toBe(4);
    await stored(store, talk("ann", "bob"));
    await stored(store, talk("bob", "ann"));
    expect(await store.setRead("kim", "bob", ANN, 5)).toBe(6);
    await stored(store, talk("ann", "bob"));
    expect(await store.setRead("kim", "nobody", ANN, 5)).toBe(0);
    expect(await store.setRead("kim", "bob", { account: "nobody" }, 5)).toBe(0);
    expect(await store.setRead("third", "bob", ANN, 5)).toBe(0);
    const expected = [["ann", 7, 6, 1, "ann to bob"]];
    expect(await list(store, "bob")).toEqual(expected);
    await store[Symbol.asyncDispose]();
    await using reopened = await place.open();
    expect(await list(reopened, "bob")).toEqual(expected);
    expect(await reopened.setRead("kim", "ann", BOB, 1)).toBe(7);
    expect(await reopened.setRead("kim", "bob", ANN, 7)).toBe(7);
    expect(await list(reopened, "bob")).toEqual([["ann", 7, 7, 0, "ann to bob"]]);
  });

  check("unread messages are counted up to 1,000", async (store) => {
    await store.append(Array.from({ length: 1_100 }, () => talk("ann", "bob")));
    expect(await list(store, "bob")).toEqual([["ann", 1_100, 0, 1_000, "ann to bob"]]);
    await store.setRead("kim", "bob", ANN, 150);
    expect((await store.conversations("kim", "bob", undefined, 1)).conversations[0]).toMatchObject({ unread: 950 });
  });

  messagesAreRemoved(plain);
}
