import { describe, expect, test } from "bun:test";
import { change, group } from "../../../../tests/contract/group_talk.ts";
import { LogicStand } from "../../../../tests/support/logic_stand.ts";
import { EMPTY } from "../../../protocol/bodies.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";

const JOIN = [pkt.GroupJoinReq, EMPTY] as const, QUIT = [pkt.GroupQuitReq, EMPTY] as const;

/** Everybody is online; ann, bob and cid are in a large group. */
async function stand(): Promise<{ at: LogicStand; groupId: string }> {
  const at = await LogicStand.start();
  for (const account of ["ann", "bob", "cid", "dan"]) await at.online(account);
  const { id } = await at.store.createGroup(group("ann", ["bob", "cid"]));
  return { at, groupId: id };
}

describe("gateways and the rooms of large groups", () => {
  test("who left before the gateway heard of the joining is not in the room in the end", async () => {
    const { at, groupId } = await stand();
    await using _ = at;
    const { seq, becameLarge } = await at.store.join(change(groupId, ["dan"]));
    await at.ask("dan", "chat.group.quit", QUIT, { groupId, account: "dan" });
    // Told late.
    await at.logic.roomChanged({ app: "kim", group: groupId, accounts: ["dan"], joined: true, seq, becameLarge });
    expect(at.rooms("dan").at(-1)).toBe("-0");
  });

  test("who is back before the gateway heard of the removal is in the room in the end", async () => {
    const { at, groupId } = await stand();
    await using _ = at;
    const { seq, becameLarge } = await at.store.quit(change(groupId, ["bob"]));
    await at.ask("bob", "chat.group.join", JOIN, { groupId, account: "bob" });
    await at.logic.roomChanged({ app: "kim", group: groupId, accounts: ["bob"], joined: false, seq, becameLarge });
    expect(at.rooms("bob").at(-1)).toBe("+0");
  });

  test("they hear of a joining that is asked for again because its answer was lost", async () => {
    const { at, groupId } = await stand();
    await using _ = at;
    await at.store.join(change(groupId, ["dan"])); // stored, and nobody was told
    expect(at.rooms("dan")).toEqual([]);
    await at.ask("dan", "chat.group.join", JOIN, { groupId, account: "dan" });
    expect(at.rooms("dan")).toEqual(["+0"]);
  });

  test("and of leaving", async () => {
    const { at, groupId } = await stand();
    await using _ = at;
    await at.store.quit(change(groupId, ["bob"]));
    expect(at.rooms("bob")).toEqual([]);
    await at.ask("bob", "chat.group.quit", QUIT, { groupId, account: "bob" });
    expect(at.rooms("bob")).toEqual(["-0"]);
  });

  test("a first copy of leaving that comes after the account is back leaves it in, and its room too", async () => {
    const { at, groupId } = await stand();
    await using _ = at;
    const ask = (command: string, n: number, again: boolean) =>
      at.ask("bob", command, JOIN, { groupId, account: "bob" }, { key: { scope: "c", n, low: 1 }, again });
    await ask("chat.group.quit", 1, true);
    await ask("chat.group.join", 2, false);
    await ask("chat.group.quit", 1, false); // the server that had it first was paused
    expect(await at.store.isMember("kim", groupId, "bob")).toBe(true);
    expect(at.rooms("bob")).toEqual(["-0", "+0", "+0"]);
  });

  test("and one of joining that comes after it has left lets it in nowhere", async () => {
    const { at, groupId } = await stand();
    await using _ = at;
    const ask = (command: string, n: number, again: boolean) =>
      at.ask("dan", command, JOIN, { groupId, account: "dan" }, { key: { scope: "c", n, low: 1 }, again });
    await ask("chat.group.join", 1, true);
    await ask("chat.group.quit", 2, false);
    await ask("chat.group.join", 1, false);
    expect(await at.store.isMember("kim", groupId, "dan")).toBe(false);
    expect(at.rooms("dan")).toEqual(["+0", "-0"]);
  });

  test("all members are told again that their group became large, when the request for it comes again", async () => {
    await using at = await LogicStand.start();
    for (const account of ["ann", "bob", "cid"]) await at.online(account);
    const { id } = await at.store.createGroup(group("ann", ["bob"]));
    const key = { scope: "c", n: 1, low: 1 };
    await at.store.join(change(id, ["cid"], { key })); // and the server died
    await at.ask("cid", "chat.group.join", JOIN, { groupId: id, account: "cid" }, { key, again: true });
    for (const account of ["ann", "bob", "cid"]) expect([account, at.rooms(account)]).toEqual([account, ["+0"]]);
  });
});
