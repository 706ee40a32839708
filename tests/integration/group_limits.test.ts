import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { WireClient } from "../../src/load/wire_client.ts";
import { decodeBody, encodeBody } from "../../src/protocol/bodies.ts";
import * as pkt from "../../src/protocol/gen/pkt_messages.ts";
import { CAPS, LocalSystem } from "./system_local.ts";

let local: LocalSystem;
const clients: WireClient[] = [];
beforeAll(async () => {
  local = await LocalSystem.start({ inboxGroup: 5 });
});
afterAll(async () => {
  for (const client of clients) client.close();
  await local[Symbol.asyncDispose]();
});

async function login(account: string, ours = true): Promise<WireClient> {
  const client = await local.login("ws", account, { meta: ours ? CAPS : new Map([["im.device", "old"]]) });
  clients.push(client);
  return client;
}

const names = (role: string, count: number) => Array.from({ length: count }, () => local.name(role));
const create = (by: WireClient, members: string[], more: Partial<pkt.GroupCreateReq> = {}) =>
  by.request("chat.group.create", encodeBody(pkt.GroupCreateReq, { name: "group", members, ...more }));
const created = async (by: WireClient, members: string[]) =>
  decodeBody(pkt.GroupCreateResp, (await create(by, members)).body).groupId;
const join = async (by: WireClient, groupId: string, account: string) =>
  (await by.request("chat.group.join", encodeBody(pkt.GroupJoinReq, { groupId, account }))).status;
const quit = async (by: WireClient, groupId: string, account: string) =>
  (await by.request("chat.group.quit", encodeBody(pkt.GroupQuitReq, { groupId, account }))).status;
const talk = (by: WireClient, group: string, body: string) =>
  by.request("chat.group.talk", encodeBody(pkt.MessageReq, { type: 1, body }), group);
const detail = async (by: WireClient, groupId: string) =>
  decodeBody(pkt.GroupGetResp, (await by.request("chat.group.detail", encodeBody(pkt.GroupGetReq, { groupId }))).body);
const pushed = (client: WireClient, command: string) => client.pushes.filter((one) => one.command === command);
const bodies = (client: WireClient) =>
  pushed(client, "chat.group.talk").map(({ body }) => decodeBody(pkt.MessagePush, body).body);

describe("creating a group", () => {
  test("tells every device of every member once, the creator's other ones too, nobody's name twice", async () => {
    const [ann, bob, eve] = names("maker", 3);
    const maker = await login(ann!);
    const others = await Promise.all([login(bob!), login(bob!, false), login(ann!, false)]);
    const away = await login(eve!);
    const { status, body } = await create(maker, [bob!, bob!, ann!]);
    expect(status).toBe(0);
    const { groupId } = decodeBody(pkt.GroupCreateResp, body);
    for (const client of others) {
      await client.until(({ pushes }) => pushes.length > 0);
      expect(client.pushes.map((one) => decodeBody(pkt.GroupCreateNotify, one.body))).toEqual([
        { groupId, members: [ann!, bob!] },
      ]);
    }
    expect([...maker.pushes, ...away.pushes]).toEqual([]);
    expect((await detail(maker, groupId)).members.map((one) => one.account)).toEqual([ann!, bob!]);
  });

  test("is refused for texts that are too long, bad names, and more members than fit", async () => {
    const ann = await login(local.name("limits"));
    const wrong: [string[], Partial<pkt.GroupCreateReq>][] = [
      [[], { name: "n".repeat(51) }],
      [[], { avatar: "n".repeat(201) }],
      [[], { introduction: "n".repeat(301) }],
      [[""], {}],
      [["a,b"], {}],
      [["x".repeat(61)], {}],
      [Array.from({ length: 5_001 }, (_, i) => `m${i}`), {}],
    ];
    for (const [members, more] of wrong) expect((await create(ann, members, more)).status).toBe(101);
    expect((await create(ann, [], { name: "😀".repeat(50), avatar: "a".repeat(200) })).status).toBe(0);
    expect((await create(ann, Array.from({ length: 5_000 }, (_, i) => `m${i}`))).status).toBe(0);
  });

  test("with a million members ends that connection before it is read; others go on", async () => {
    const [ann, bob] = [await login(local.name("huge")), await login(local.name("beside"))];
    const members = Array.from({ length: 1_000_000 }, (_, i) => `m${i}`);
    const huge = encodeBody(pkt.GroupCreateReq, { name: "g", members });
    await expect(ann.request("chat.group.create", huge)).rejects.toThrow();
    expect(await ann.ended).not.toBe("");
    expect((await create(bob, [])).status).toBe(0);
  });
});

describe("a group that becomes large in the middle of sends", () => {
  test("loses nothing and repeats nothing, for old clients and ours, online and later", async () => {
    const members = names("mid", 5);
    const online = await Promise.all(members.map((name, i) => login(name, i % 2 === 0)));
    await Promise.all(online.filter((_, i) => i % 2 === 1).map((one) => one.inbox.index(0n)));
    const group = await created(online[0]!, members);
    const away = local.name("mid");
    const said: string[] = [];
    const speak = async (client: WireClient, count: number) => {
      for (let i = 0; i < count; i++) {
        const text = `${client.account} ${i}`;
        said.push(text);
        expect((await talk(client, group, text)).status).toBe(0);
      }
    };
    const joins = async () => {
      expect(await join(online[0]!, group, away)).toBe(0);
      expect(await join(online[0]!, group, local.name("mid"))).toBe(0);
    };
    await Promise.all([...online.map((client) => speak(client, 40)), joins()]);
    expect((await detail(online[0]!, group)).large).toBe(true);
    for (const client of online) {
      const wanted = said.filter((text) => !text.startsWith(`${client.account} `));
      await client.until(() => new Set(bodies(client)).size >= wanted.length);
      expect([...bodies(client)].sort()).toEqual(wanted.sort());
      for (const other of members) {
        const theirs = bodies(client).filter((text) => text.startsWith(`${other} `));
        expect(theirs).toEqual(other === client.account ? [] : theirs.map((_, i) => `${other} ${i}`));
      }
    }
    const late = await login(away, false);
    const rows = await late.inbox.index(0n);
    const had = await late.inbox.contents(rows.map((row) => row.messageId).slice(0, 200));
    expect(had.length).toBeGreaterThan(0);
    expect(had).toEqual(
      bodies(online[0]!).concat(said.filter((one) => one.startsWith(members[0]!)))
        .filter((one) => had.includes(one)).sort((a, b) => had.indexOf(a) - had.indexOf(b)),
    );
    expect(new Set(had).size).toBe(had.length);
  });
});

describe("leaving", () => {
  test.each([["small", 0], ["large", 6]])("an owner may; a %s group goes on without one", async (_, more) => {
    const [ann, bob] = await Promise.all([login(local.name("owner")), login(local.name("stays"))]);
    const group = await created(ann, [bob.account, ...names("more", more)]);
    expect(await quit(ann, group, ann.account)).toBe(0);
    await bob.until((one) => pushed(one, "chat.group.quit").length > 0 || more > 0);
    expect((await detail(bob, group)).owner).toBe("");
    expect((await talk(ann, group, "?")).status).toBe(105);
    expect(await quit(bob, group, ann.account)).toBe(105);
    expect((await talk(bob, group, "!")).status).toBe(0);
    expect(await join(bob, group, ann.account)).toBe(0);
    expect((await detail(bob, group)).owner).toBe("");
    expect(await quit(bob, group, bob.account)).toBe(0);
    expect(await quit(ann, group, ann.account)).toBe(0);
    expect((await talk(ann, group, "nobody")).status).toBe(105);
  });

  test("a large group while away: an old client's index has what was sent until then", async () => {
    const [ann, old] = [await login(local.name("ann")), local.name("old")];
    const group = await created(ann, [old, ...names("more", 6)]);
    for (let i = 0; i < 3; i++) await talk(ann, group, `m${i}`);
    expect(await quit(ann, group, old)).toBe(0);
    await talk(ann, group, "too late");
    const client = await login(old, false);
    const rows = await client.inbox.index(0n);
    expect(await client.inbox.contents(rows.map((row) => row.messageId))).toEqual(["m0", "m1", "m2"]);
  });
});

describe("what is asked wrongly", () => {
  test("ids: 201, negative, unknown, somebody else's, twice", async () => {
    const [ann, bob, eve] = await Promise.all(["ann", "bob", "eve"].map((role) => login(local.name(role))));
    const group = await created(ann!, [bob!.account]);
    const { body } = await talk(ann!, group, "hello");
    const { messageId } = decodeBody(pkt.MessageResp, body);
    const contents = (by: WireClient, messageIds: bigint[]) =>
      by.request("chat.offline.content", encodeBody(pkt.MessageContentReq, { messageIds }));
    const ids = (count: number) => Array.from({ length: count }, (_, i) => BigInt(i + 1));
    expect((await contents(ann!, ids(201))).status).toBe(101);
    expect((await contents(ann!, ids(200))).status).toBe(0);
    expect((await contents(ann!, [])).status).toBe(101);
    expect((await contents(ann!, [-1n])).status).toBe(101);
    expect(await bob!.inbox.contents([messageId, 7n, messageId])).toEqual(["hello", "", "hello"]);
    expect(await eve!.inbox.contents([messageId])).toEqual([""]);
    const index = encodeBody(pkt.MessageIndexReq, { messageId: -5n });
    expect((await ann!.request("chat.offline.index", index)).status).toBe(101);
  });

  test("group ids: none, negative, too long, upper case, another kind's", async () => {
    const ann = await login(local.name("ann"));
    const group = await created(ann, []);
    for (const id of ["-1", "0", " ", group.toUpperCase(), `0${group}`, `${group}0`, ann.account, "\u{1F600}"]) {
      expect((await talk(ann, id, "?")).status).toBe(101);
      expect(await join(ann, id, ann.account)).toBe(101);
      const history = encodeBody(pkt.HistoryReq, { group: true });
      expect((await ann.request("chat.history", history, id)).status).toBe(101);
      const read = encodeBody(pkt.ReadReq, { group: true, seq: 1 });
      expect((await ann.request("chat.read", read, id)).status).toBe(101);
      const members = encodeBody(pkt.GroupMembersReq, { groupId: id });
      expect((await ann.request("chat.group.members", members)).status).toBe(101);
    }
    expect(
      (await ann.request("chat.group.members", encodeBody(pkt.GroupMembersReq, { groupId: group, from: "x y" })))
        .status,
    ).toBe(101);
    expect((await ann.request("chat.conversations", encodeBody(pkt.ConversationsReq, { from: "x y" }))).status).toBe(
      101,
    );
  });

  test("a message: too long, empty dest, the same client id with another text, bytes that are none", async () => {
    const ann = await login(local.name("ann"));
    const group = await created(ann, []);
    expect((await talk(ann, group, "x".repeat(5_001))).status).toBe(101);
    expect((await talk(ann, "", "x")).status).toBe(100);
    const once = encodeBody(pkt.MessageReq, { type: 1, body: "x", clientMsgId: "id" });
    const [first, again] = [
      await ann.request("chat.group.talk", once, group),
      await ann.request("chat.group.talk", once, group),
    ];
    expect(decodeBody(pkt.MessageResp, again.body)).toEqual(decodeBody(pkt.MessageResp, first.body));
    const other = encodeBody(pkt.MessageReq, { type: 1, body: "y", clientMsgId: "id" });
    expect((await ann.request("chat.group.talk", other, group)).status).toBe(102);
    for (const command of ["create", "join", "quit", "detail", "members", "talk"]) {
      expect((await ann.request(`chat.group.${command}`, Uint8Array.of(255, 255), group)).status).toBe(101);
    }
    expect((await talk(ann, group, "still here")).status).toBe(0);
  });

  test("reading: positions beyond the head, and back", async () => {
    const ann = await login(local.name("ann"));
    const group = await created(ann, []);
    await talk(ann, group, "one");
    const read = async (seq: number) =>
      decodeBody(
        pkt.ReadResp,
        (await ann.request("chat.read", encodeBody(pkt.ReadReq, { group: true, seq }), group)).body,
      ).seq;
    expect([await read(4_000_000_000), await read(0), await read(1)]).toEqual([1, 1, 1]);
  });
});
