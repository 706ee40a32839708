import { expect } from "bun:test";
import { ImError } from "../../src/base/errors.ts";
import type { Appended, ImStore } from "../../src/message/message_store.ts";
import { fromBase36 } from "../../src/protocol/base36.ts";
import { bodiesOf, byAccount, change, group, groupTalk, refusal } from "./group_talk.ts";
import type { Check } from "./message_place.ts";
import { stored } from "./message_talk.ts";

/** The part of the contract about groups and requests that come again, too late, after a restart, or fail. */
export function groupsComeAgain(check: Check): void {
  check(
    "a group is made once for a key, and its messages are stored once, also after a restart",
    async (store, place) => {
      const request = group("ann", ["bob", "cat", "bob"], { key: { scope: "g1_c1", n: 1, low: 1 } });
      const [first, twin] = await Promise.all([store.createGroup(request), store.createGroup(request)]);
      expect(twin).toEqual(first);
      const later = await store.createGroup({ ...request, key: { scope: "g1_c1", n: 2, low: 1 } });
      expect(later.id).not.toBe(first.id);
      const sent = groupTalk("ann", first.id, { key: { scope: "g1_c1", n: 3, low: 1 }, clientMsgId: "c1" });
      const [one, same] = await store.append([sent, sent]) as Appended[];
      const again = { ...one!, duplicate: true };
      expect(same).toEqual(again);
      expect(byAccount(same?.fan)).toEqual({ ann: 1, bob: 1, cat: 1 });
      await store.quit(change(first.id, ["cat"]));
      expect(await stored(store, sent)).toEqual(again);
      const bare = groupTalk("ann", first.id, { clientMsgId: "c1" });
      expect(await stored(store, bare)).toEqual(again);
      for (const other of [{ body: "x" }, { dest: later.id }, { group: false }, { dest: "bob", group: false }]) {
        expect(await store.append([{ ...bare, ...other }])).toMatchObject([{ code: "DUPLICATE_ID" }]);
      }
      await store[Symbol.asyncDispose]();
      await using reopened = await place.open();
      expect(await reopened.createGroup(request)).toEqual(first);
      expect(await reopened.createGroup({ ...request, startBy: -1 })).toEqual(first);
      expect(await stored(reopened, sent)).toEqual(again);
      expect(await stored(reopened, bare)).toEqual(again);
      expect(await stored(reopened, groupTalk("bob", first.id))).toMatchObject({ seq: 2 });
      expect(await bodiesOf(reopened, ["bob", "cat"])).toEqual([["ann to group", "bob to group"], ["ann to group"]]);
    },
  );

  check(
    "a group whose request came again and was refused is never made, also after a restart",
    async (store, place) => {
      const request = group("ann", ["bob"], { key: { scope: "g1_c1", n: 1, low: 1 } });
      expect(await refusal(store.createGroup({ ...request, startBy: -1 }))).toBe("BUSY");
      const last = await refusal(store.createGroup({ ...request, startBy: -1, again: true }));
      expect(["BUSY", "SYSTEM"]).toContain(last);
      expect(await refusal(store.createGroup(request))).toBe("BUSY");
      await store[Symbol.asyncDispose]();
      await using reopened = await place.open();
      expect(await refusal(reopened.createGroup(request))).toBe("BUSY");
      const made = await reopened.createGroup({ ...request, key: { scope: "g1_c1", n: 2, low: 1 }, again: true });
      expect(
        await reopened.createGroup({ ...request, key: { scope: "g1_c1", n: 2, low: 1 }, startBy: -1, again: true }),
      )
        .toEqual(made);
    },
  );

  check(
    "a change of members is made once for a key, whatever happened since, also after a restart",
    async (first, place) => {
      const { id } = await first.createGroup(group("ann", ["bob"]));
      const keyed = (n: number, account: string) => change(id, [account], { key: { scope: "c", n, low: 1 } });
      const nothing = { changed: [], seq: 1, large: false, becameLarge: false };
      expect(await first.join({ ...keyed(1, "cat"), again: true })).toMatchObject({ changed: ["cat"], seq: 0 });
      expect(await first.quit(keyed(2, "cat"))).toMatchObject({ changed: ["cat"], seq: 0 });
      expect(await first.quit({ ...keyed(3, "bob"), again: true })).toMatchObject({ changed: ["bob"] });
      expect(await first.join(keyed(4, "bob"))).toMatchObject({ changed: ["bob"] });
      // What found nothing to change changes nothing later either.
      expect(await first.join({ ...keyed(5, "ann"), again: true })).toMatchObject({ changed: [] });
      await first.quit(change(id, ["ann"]));
      await stored(first, groupTalk("bob", id));
      const late = async (store: ImStore) => {
        for (const over of [{}, { again: true }, { startBy: -1 }]) {
          for (const n of [1, 5]) {
            expect(await store.join({ ...keyed(n, n === 1 ? "cat" : "ann"), ...over })).toEqual(
              nothing,
            );
          }
          expect(await store.quit({ ...keyed(3, "bob"), ...over })).toEqual(nothing);
        }
        expect(await store.group("kim", id)).toMatchObject({ memberCount: 1, owner: "" });
        expect((await store.members("kim", id, undefined, 9)).members.map((one) => one.account)).toEqual(["bob"]);
      };
      await late(first);
      await first[Symbol.asyncDispose]();
      await using store = await place.open();
      await late(store);
      await store.join(change(id, ["dan"], { key: { scope: "c", n: 6, low: 6 } }));
      await refusal(store.join(keyed(1, "cat"))); // its sender was answered: nobody waits for what is said
      expect(await store.isMember("kim", id, "cat")).toBe(false);
      expect((await store.join(change(id, ["cat"], { key: { scope: "other", n: 1, low: 1 } }))).changed).toEqual([
        "cat",
      ]);
    },
  );

  check(
    "a change of members that came again and was refused is never made, also after a restart",
    async (first, place) => {
      const { id } = await first.createGroup(group("ann", ["bob"]));
      const keyed = (n: number, over = {}) => change(id, ["cat"], { key: { scope: "c", n, low: 1 }, ...over });
      expect(await refusal(first.join(keyed(1, { startBy: -1 })))).toBe("BUSY");
      const late = await refusal(first.join(keyed(1, { startBy: -1, again: true })));
      expect(["BUSY", "SYSTEM"]).toContain(late);
      expect(await refusal(first.join(keyed(2, { by: "dan", again: true })))).toBe("UNAUTHORIZED");
      expect(await refusal(first.quit(change("1", ["bob"], { key: { scope: "c", n: 3, low: 1 }, again: true })))).toBe(
        "INVALID_BODY",
      );
      expect(await refusal(first.join(keyed(4, { by: "dan" })))).toBe("UNAUTHORIZED"); // not the last word
      await first.join(change(id, ["dan"]));
      const refused = async (store: ImStore) => {
        for (const n of [1, 2]) expect(await refusal(store.join(keyed(n, { by: "dan" })))).toBe("BUSY");
        expect(await refusal(store.quit(change(id, ["bob"], { key: { scope: "c", n: 3, low: 1 } })))).toBe("BUSY");
        expect((await store.members("kim", id, undefined, 9)).members.length).toBe(3);
      };
      await refused(first);
      await first[Symbol.asyncDispose]();
      await using store = await place.open();
      await refused(store);
      expect((await store.join(keyed(4, { by: "dan" }))).changed).toEqual(["cat"]);
    },
  );

  check("a change that made a group large says so again, and from where on", async (first, place) => {
    const { id } = await first.createGroup(group("ann", ["bob", "cat", "dan", "eve"]));
    await stored(first, groupTalk("ann", id));
    const request = change(id, ["fay"], { key: { scope: "c", n: 1, low: 1 } });
    const made = await first.join(request);
    expect(made).toEqual({ changed: ["fay"], seq: 1, large: true, becameLarge: true });
    await stored(first, groupTalk("fay", id));
    expect(await first.join({ ...request, again: true })).toEqual({ ...made, changed: [] });
    await first[Symbol.asyncDispose]();
    await using store = await place.open();
    expect(await store.join(request)).toEqual({ ...made, changed: [] });
    expect(await store.quit(change(id, ["fay"]))).toEqual({
      changed: ["fay"],
      seq: 2,
      large: true,
      becameLarge: false,
    });
    expect(await store.join(request)).toEqual({ ...made, changed: [] });
    expect(await store.rooms("kim", "fay")).toEqual([]);
  });

  check(
    "copies of joins and quits in any order, across restarts: each is made once or never, whatever was said last",
    async (first, place) => {
      const { id } = await first.createGroup(group("ann", []));
      const names = ["ann", "bob", "cat"], members = new Set(["ann"]);
      const said = new Map<number, "made" | "refused">();
      let store = first, state = 11;
      const random = (below: number) => (state = (state * 48_271) % 0x7fffffff) % below;
      for (let round = 0; round < 3; round++) {
        for (let step = 0; step < 40; step++) {
          const n = 1 + random(40), name = names[n % 3]!, what = n % 2 === 0 ? "join" : "quit";
          const again = random(2) === 0, late = random(3) === 0, before = said.get(n);
          const request = change(id, [name], {
            key: { scope: "c", n, low: 1 },
            again,
            startBy: late ? -1 : Infinity,
          });
          const got = await store[what](request).then((made) => made.changed, () => "refused");
          if (before === "refused" || (before === undefined && late)) expect([n, got]).toEqual([n, "refused"]);
          else if (before === "made") expect([n, got]).toEqual([n, []]);
          else expect([n, got]).toEqual([n, members.has(name) === (what === "quit") ? [name] : []]);
          if (before !== undefined) continue;
          if (late && again) said.set(n, "refused");
          if (late) continue;
          said.set(n, "made");
          if (what === "join") members.add(name);
          else members.delete(name);
        }
        const { members: there } = await store.members("kim", id, undefined, 9);
        expect(there.map((one) => one.account).sort()).toEqual([...members].sort());
        await store[Symbol.asyncDispose]();
        store = await place.open();
      }
      await store[Symbol.asyncDispose]();
      const refused = [...said.values()].filter((one) => one === "refused").length;
      expect(Math.min(refused, said.size - refused)).toBeGreaterThan(3);
    },
  );

  check("what is too late to start is BUSY and changes nothing", async (store) => {
    const { id } = await store.createGroup(group("ann", []));
    expect(await refusal(store.createGroup(group("ann", ["bob"], { startBy: -1 })))).toBe("BUSY");
    expect(await refusal(store.join(change(id, ["bob"], { startBy: -1 })))).toBe("BUSY");
    expect(await refusal(store.quit(change(id, ["ann"], { startBy: -1 })))).toBe("BUSY");
    expect((await store.members("kim", id, undefined, 9)).members.length).toBe(1);
  });

  check("a restart keeps groups, members, rows and numbering", async (store, place) => {
    const { id } = await store.createGroup(group("ann", ["bob", "cat"]));
    const before: Appended[] = [];
    for (let i = 0; i < 20; i++) {
      before.push(await stored(store, groupTalk(i % 2 ? "ann" : "bob", id, { body: `${i}` })));
    }
    await store.quit(change(id, ["cat"]));
    const [found, heads] = [await store.group("kim", id), await store.heads("kim", ["ann", "bob", "cat"])];
    await store[Symbol.asyncDispose]();
    await using reopened = await place.open();
    expect(await reopened.group("kim", id)).toEqual(found);
    expect(await reopened.heads("kim", ["ann", "bob", "cat"])).toEqual(heads);
    const next = await stored(reopened, groupTalk("ann", id, { body: "20" }));
    expect(next).toMatchObject({ seq: 21, senderPos: 21 });
    expect(byAccount(next.fan)).toEqual({ ann: 21, bob: 21 });
    expect(next.messageId).toBeGreaterThan(before.at(-1)!.messageId);
    const all = Array.from({ length: 21 }, (_, i) => `${i}`);
    expect(await bodiesOf(reopened, ["ann", "bob", "cat"])).toEqual([all, all, all.slice(0, 20)]);
    const { id: other } = await reopened.createGroup(group("ann", []));
    expect(fromBase36(other)!).toBeGreaterThan(next.messageId);
  });

  check("a batch that fails leaves nothing: no group, no member, no row", async (store, place) => {
    const { id } = await store.createGroup(group("ann", ["bob"]));
    await stored(store, groupTalk("ann", id));
    const keyed = group("ann", ["bob"], { key: { scope: "g", n: 1, low: 1 } });
    const entry = change(id, ["cat"], { key: { scope: "g", n: 2, low: 1 } });
    await place.failNext(store);
    const lost = await Promise.all([
      store.append([groupTalk("ann", id)]).then(([one]) => one instanceof ImError ? one.code : "stored"),
      refusal(store.join(entry)),
      refusal(store.quit(change(id, ["bob"]))),
      refusal(store.createGroup(keyed)),
    ]);
    // How many of them one transaction takes is the store's affair; whatever failed left nothing.
    expect(lost).toContain("SYSTEM");
    const [talked, joined, left] = lost.map((one) => one !== "SYSTEM");
    const made = await store.createGroup(keyed);
    expect(await store.group("kim", made.id)).toMatchObject({ memberCount: 2, head: 0 });
    expect(await store.isMember("kim", id, "cat")).toBe(joined!);
    expect(await store.isMember("kim", id, "bob")).toBe(!left);
    const n = talked ? 3 : 2;
    expect(await stored(store, groupTalk("ann", id))).toMatchObject({ seq: n, senderPos: n });
    expect((await store.join(entry)).changed).toEqual(joined ? [] : ["cat"]);
    expect(byAccount((await stored(store, groupTalk("cat", id))).fan)).toMatchObject({
      ann: n + 1,
      cat: joined ? 2 : 1,
    });
    expect((await bodiesOf(store, ["ann"]))[0]).toEqual([...Array(n).fill("ann to group"), "cat to group"]);
  });
}
