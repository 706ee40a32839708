import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { decodeBody, encodeBody } from "../../src/protocol/bodies.ts";
import * as pkt from "../../src/protocol/gen/pkt_messages.ts";
import type { WireClient } from "../../src/load/wire_client.ts";
import { CAPS, LocalSystem, TRANSPORTS } from "./system_local.ts";

/** A PostgreSQL database in place of SQLite. */
const database = process.env["PETREL_TEST_DATABASE"];
const RUN = crypto.randomUUID().slice(0, 8);

async function create(by: WireClient, members: string[], name = "group"): Promise<string> {
  const { status, body } = await by.request("chat.group.create", encodeBody(pkt.GroupCreateReq, { name, members }));
  expect(status).toBe(0);
  return decodeBody(pkt.GroupCreateResp, body).groupId;
}

async function talk(
  by: WireClient,
  group: string,
  body: string,
  clientMsgId = "",
): Promise<{ status: number; seq: number }> {
  const answer = await by.request("chat.group.talk", encodeBody(pkt.MessageReq, { type: 1, body, clientMsgId }), group);
  return { status: answer.status, seq: answer.status === 0 ? decodeBody(pkt.MessageResp, answer.body).seq : 0 };
}

const join = async (by: WireClient, groupId: string, account: string) =>
  (await by.request("chat.group.join", encodeBody(pkt.GroupJoinReq, { groupId, account }))).status;
const quit = async (by: WireClient, groupId: string, account: string) =>
  (await by.request("chat.group.quit", encodeBody(pkt.GroupQuitReq, { groupId, account }))).status;

/** Bodies of the group messages that were pushed to a client. */
function heard(client: WireClient): string[] {
  return client.pushes.filter((one) => one.command === "chat.group.talk")
    .map((one) => decodeBody(pkt.MessagePush, one.body).body);
}

/** The same in a group whose messages get inbox rows, and in a large one. */
function inGroup(size: string, inboxGroup: number): void {
  describe(`in a ${size} group`, () => flows(inboxGroup));
}
inGroup("small", 500);
inGroup("large", 2);

function flows(inboxGroup: number): void {
  let local: LocalSystem;
  beforeAll(async () => {
    local = await LocalSystem.start({ inboxGroup, database });
  });
  afterAll(() => local[Symbol.asyncDispose]());

  /** An account nobody has used, in this run or another on the same database. */
  const name = (role: string) => local.name(`${role}-${RUN}-${inboxGroup}`);

  test.each(TRANSPORTS)("everybody hears everybody, old clients and ours, on %s", async (on) => {
    const names = ["ann", "bob", "cat", "dan"].map(name);
    const [ann, bob, cat, dan] = await Promise.all(
      names.map((name, i) => local.login(on, name, i % 2 ? {} : { meta: CAPS })),
    );
    await Promise.all([bob!.inbox.index(0n), dan!.inbox.index(0n)]);
    const group = await create(ann!, names);
    await bob!.until(({ pushes }) => pushes.length === 1);
    expect(bob!.pushes[0]).toMatchObject({ command: "chat.group.create", status: 0 });
    const said: string[] = [];
    for (const [i, client] of [ann!, bob!, cat!, dan!, ann!].entries()) {
      said.push(`${client.account} ${i}`);
      expect(await talk(client, group, said[i]!)).toMatchObject({ status: 0 });
    }
    for (const client of [ann!, bob!, cat!, dan!]) {
      const others = said.filter((text) => !text.startsWith(client.account));
      await client.until(() => heard(client).length >= others.length);
      expect(heard(client)).toEqual(others);
      client.close();
    }
  });

  test("only members write, and read who is in", async () => {
    const [ann, eve] = await Promise.all([local.login("ws", name("ann")), local.login("tcp", name("eve"))]);
    const group = await create(ann, []);
    expect((await talk(eve, group, "let me in")).status).toBe(105);
    expect((await eve.request("chat.group.detail", encodeBody(pkt.GroupGetReq, { groupId: group }))).status).toBe(105);
    expect((await eve.request("chat.history", encodeBody(pkt.HistoryReq, { group: true }), group)).status).toBe(105);
    for (const id of ["", "nothing", "g4wmc1rcz2m8", "ÄÖ", "zzzzzzzzzzzzz", "-1"]) {
      expect((await ann.request("chat.group.detail", encodeBody(pkt.GroupGetReq, { groupId: id }))).status).toBe(101);
      expect((await talk(ann, id, "?")).status).toBe(id === "" ? 100 : 101);
      expect(await join(ann, id, "bob")).toBe(101);
      expect(await quit(ann, id, "bob")).toBe(101);
    }
    expect(await join(eve, group, "bob")).toBe(105);
    expect(await join(ann, group, "")).toBe(101);
    expect(await quit(ann, group, "")).toBe(101);
    expect(await join(eve, group, eve.account)).toBe(0);
    expect(await join(eve, group, eve.account)).toBe(0);
    expect((await talk(eve, group, "thanks")).status).toBe(0);
    expect(await quit(eve, group, ann.account)).toBe(105);
    expect(await quit(ann, group, eve.account)).toBe(0);
    expect(await quit(ann, group, eve.account)).toBe(0);
    expect((await talk(eve, group, "again")).status).toBe(105);
    for (const client of [ann, eve]) client.close();
  });

  test("who was away finds it all: old clients in the index, ours by seq", async () => {
    const names = ["ann", "old", "our"].map(name);
    const ann = await local.login("ws", names[0]!, { meta: CAPS });
    const group = await create(ann, names);
    for (let i = 0; i < 30; i++) expect(await talk(ann, group, `m${i}`)).toEqual({ status: 0, seq: i + 1 });
    const old = await local.login("tcp", names[1]!);
    const rows = await old.inbox.index(0n);
    expect(rows.map((row) => row.group)).toEqual(new Array(30).fill(group));
    expect(await old.inbox.contents(rows.map((row) => row.messageId))).toEqual(rows.map((_, i) => `m${i}`));
    expect(await old.inbox.index(rows.at(-1)!.messageId)).toEqual([]);
    await talk(ann, group, "live");
    await old.until(() => heard(old).length === 1);
    expect(heard(old)).toEqual(["live"]);
    const our = await local.login("ws", names[2]!, { meta: CAPS });
    const page = async (range: Partial<pkt.HistoryReq>) => {
      const { status, body } = await our.request(
        "chat.history",
        encodeBody(pkt.HistoryReq, { group: true, ...range }),
        group,
      );
      expect(status).toBe(0);
      return decodeBody(pkt.HistoryResp, body);
    };
    expect((await page({ limit: 200 })).messages.map((one) => one.seq)).toEqual(
      Array.from({ length: 31 }, (_, i) => i + 1),
    );
    expect((await page({ before: 11, limit: 5 })).messages.map((one) => one.body)).toEqual([
      "m5",
      "m6",
      "m7",
      "m8",
      "m9",
    ]);
    expect(await page({ after: 29, limit: 5 })).toMatchObject({
      head: 31,
      first: 1,
      messages: [{ seq: 30 }, { seq: 31 }],
    });
    for (const client of [ann, old, our]) client.close();
  });

  test("unread messages are counted until they are read, on every device", async () => {
    const names = ["ann", "bob"].map(name);
    const [ann, bob] = await Promise.all(names.map((name) => local.login("ws", name, { meta: CAPS })));
    const phone = await local.login("tcp", names[1]!, { meta: new Map([...CAPS, ["im.device", "phone"]]) });
    const group = await create(ann!, names, "The group");
    for (let i = 0; i < 3; i++) await talk(ann!, group, `m${i}`);
    await ann!.talk(names[1]!, "psst");
    const lines = async () => {
      const { body } = await bob!.request("chat.conversations", encodeBody(pkt.ConversationsReq, {}));
      return decodeBody(pkt.ConversationsResp, body).conversations.map(({ dest, unread, read, last, name }) => ({
        dest,
        unread,
        read,
        name,
        last: last?.body,
      }));
    };
    const [pair, inGroup] = [{ dest: names[0]!, name: "", last: "psst" }, {
      dest: group,
      name: "The group",
      last: "m2",
    }];
    expect(await lines()).toEqual([{ ...pair, unread: 1, read: 0 }, { ...inGroup, unread: 3, read: 0 }]);
    const { body } = await bob!.request("chat.read", encodeBody(pkt.ReadReq, { group: true, seq: 2 }), group);
    expect(decodeBody(pkt.ReadResp, body).seq).toBe(2);
    await phone.until(({ pushes }) => pushes.some((one) => one.command === "chat.read"));
    expect(await lines()).toEqual([{ ...pair, unread: 1, read: 0 }, { ...inGroup, unread: 1, read: 2 }]);
    await talk(bob!, group, "answer");
    expect((await lines())[0]).toEqual({ ...inGroup, last: "answer", unread: 0, read: 4 });
    for (const client of [ann!, bob!, phone]) client.close();
  });
}
