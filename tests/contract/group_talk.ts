import { expect } from "bun:test";
import { ImError } from "../../src/base/errors.ts";
import type { ChangeMembers, CreateGroup } from "../../src/message/group_store.ts";
import type { AppendRequest, ImStore, InboxMessage, MemberPos } from "../../src/message/message_store.ts";
import type { Check } from "./message_place.ts";
import { stored, talk } from "./message_talk.ts";

/** A new group of app kim that nothing is in the way of. */
export function group(owner: string, members: readonly string[], over: Partial<CreateGroup> = {}): CreateGroup {
  return { app: "kim", owner, name: "tea", avatar: "", introduction: "", members, startBy: Infinity, ...over };
}

/** A change of members by the system. */
export function change(id: string, accounts: readonly string[], over: Partial<ChangeMembers> = {}): ChangeMembers {
  return { app: "kim", group: id, accounts, by: undefined, startBy: Infinity, ...over };
}

/** A message to a group of app kim. */
export function groupTalk(sender: string, id: string, over: Partial<AppendRequest> = {}): AppendRequest {
  return talk(sender, id, { group: true, body: `${sender} to group`, ...over });
}

/** The positions of a fan by name. */
export function byAccount(fan: readonly MemberPos[] | undefined): Record<string, number> | undefined {
  return fan && Object.fromEntries(fan.map(({ account, pos }) => [account, pos]));
}

/** The code that a call is refused with; "" when it is not. */
export async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "";
  } catch (thrown) {
    if (thrown instanceof ImError) return thrown.code;
    throw thrown;
  }
}

/** All rows of an inbox, which must be dense as long as nothing was removed. */
export async function inboxOf(store: ImStore, account: string, app = "kim"): Promise<readonly InboxMessage[]> {
  const { rows, head } = await store.messages(app, account, { after: 0, limit: 10_000 });
  expect(rows.map((row) => row.pos)).toEqual(Array.from({ length: head.pos }, (_, i) => i + 1));
  return rows;
}

/** What every account's inbox says. */
export async function bodiesOf(store: ImStore, accounts: readonly string[]): Promise<string[][]> {
  return await Promise.all(accounts.map(async (one) => (await inboxOf(store, one)).map((row) => row.body)));
}

/** As the given check, with the same names living in another app, where nothing may change. */
export function besideStrangers(check: Check): Check {
  return (what, body) =>
    check(what, async (store, place) => {
      const names = ["ann", "bob", "cat", "dan", "eve"];
      const { id } = await store.createGroup(group("ann", names, { app: "other" }));
      await stored(store, groupTalk("bob", id, { app: "other", body: "strangers" }));
      await body(store, place);
      await using again = await reopenedIfClosed(store, () => place.open());
      const other = again ?? store;
      expect((await other.members("other", id, undefined, 10)).members.map((one) => one.account)).toEqual(names);
      expect(await other.group("other", id)).toMatchObject({ memberCount: 5, head: 1, owner: "ann" });
      for (const name of names) {
        expect((await inboxOf(other, name, "other")).map((row) => row.body)).toEqual(["strangers"]);
      }
      expect(await other.group("kim", id)).toBeUndefined();
    });
}

/** The body may have closed its store: then another one of the same place. */
async function reopenedIfClosed(store: ImStore, open: () => Promise<ImStore>): Promise<ImStore | undefined> {
  return await refusal(store.heads("kim", [])) === "" && await refusal(store.heads("kim", ["ann"])) === ""
    ? undefined
    : await open();
}

/** Makes rows; gives the heads of the inboxes. */
export async function madeHeads(store: ImStore, app: string, accounts: readonly string[], since: bigint, most: number) {
  return (await store.makeRows(app, accounts, since, most)).map((one) => one.head);
}
