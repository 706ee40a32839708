import { expect, test } from "bun:test";
import { FakeClock } from "../base/fake_clock.ts";
import { decodeBody, encodeBody } from "../protocol/bodies.ts";
import { pkt } from "../protocol/gen/pkt.js";
import { FLAG, makeHeader } from "../protocol/header.ts";
import { encodeLogic } from "../protocol/packet.ts";
import { CONVERSATIONS, GROUP_CREATE, GROUP_JOIN, GROUP_QUIT, HISTORY, READ } from "./commands.ts";
import type { ReadChange } from "./conversations.ts";
import { FakeServer, onlineClient, settle } from "./fake_server.ts";
import type { GroupChange } from "./groups.ts";

test("what others do to groups, and other devices to read positions, is told", async () => {
  const server = new FakeServer();
  const { client } = await onlineClient(server, new FakeClock());
  const groups: GroupChange[] = [];
  const reads: ReadChange[] = [];
  client.on("group", (change) => void groups.push(change));
  client.on("read", (change) => void reads.push(change));
  const push = (command: string, body: Uint8Array, dest = "") =>
    server.online("bob")[0]!.send(encodeLogic(makeHeader(command, { flag: FLAG.PUSH, dest }), body));
  push(GROUP_CREATE, encodeBody(pkt.GroupCreateNotify, { groupId: "g1", members: ["ann", "bob"] }));
  push(GROUP_JOIN, encodeBody(pkt.GroupJoinNotify, { groupId: "g1", account: "eve" }));
  push(GROUP_QUIT, encodeBody(pkt.GroupQuitNotify, { groupId: "g1", account: "bob" }));
  push(READ, encodeBody(pkt.ReadReq, { group: true, seq: 7 }), "g1");
  push(READ, encodeBody(pkt.ReadReq, { seq: 3 }), "ann");
  push("chat.something.new", new Uint8Array([1, 2, 3]));
  await settle();
  expect(groups).toEqual([
    { change: "created", group: "g1", accounts: ["ann", "bob"] },
    { change: "joined", group: "g1", accounts: ["eve"] },
    { change: "left", group: "g1", accounts: ["bob"] },
  ]);
  expect(reads).toEqual([{ peer: "g1", group: true, seq: 7 }, { peer: "ann", group: false, seq: 3 }]);
  expect(client.state).toBe("online");
});

test("history is read upwards, downwards, and from the newest", async () => {
  const server = new FakeServer();
  const { id } = server.groups.make("Lunch", ["bob", "ann"]);
  const { client, bodies } = await onlineClient(server, new FakeClock());
  for (let i = 1; i <= 9; i++) server.say(i % 2 ? "ann" : "bob", id, String(i));
  await settle();
  const handed = bodies().length;
  const read = async (options: Parameters<typeof client.conversations.history>[1]) => {
    const { messages, first, head } = await client.conversations.history(id, { group: true, ...options });
    expect([first, head]).toEqual([1, 9]);
    return messages.map(({ body }) => body).join("");
  };
  expect(await read({})).toBe("123456789");
  expect(await read({ limit: 3 })).toBe("789");
  expect(await read({ before: 7, limit: 3 })).toBe("456");
  expect(await read({ before: 1 })).toBe("");
  expect(await read({ before: 0 })).toBe("");
  expect(await read({ after: 0, limit: 2 })).toBe("12");
  expect(await read({ after: 7 })).toBe("89");
  const { messages } = await client.conversations.history(id, { group: true, after: 7 });
  expect(messages).toMatchObject([{ peer: id, group: true, own: true, seq: 8, pos: 0 }, { own: false, seq: 9 }]);
  expect(bodies()).toHaveLength(handed);
  expect(server.asked(HISTORY, pkt.HistoryReq)[0]).toMatchObject({ after: 0, limit: 0 });
});

test("the list of conversations is read by pages, each line with its last message", async () => {
  const server = new FakeServer();
  const { client } = await onlineClient(server, new FakeClock());
  const last = { messageId: 9n, sendTime: 9n, type: 1, body: "hi", extra: "", sender: "bob", seq: 4, dest: "ann" };
  const more = { userSeq: 0, clientMsgId: "", group: false };
  server.answer = ({ header }, channel) => {
    if (header.command !== CONVERSATIONS) return undefined;
    const conversations = [
      pair({ dest: "ann", head: 4, read: 4, last: { ...last, ...more } }),
      pair({ dest: "g1", group: true, name: "Lunch", memberCount: 3, unread: 2 }),
    ];
    channel.reply(header, 0, encodeBody(pkt.ConversationsResp, { conversations, next: "more" }));
    return "silence";
  };
  const page = await client.conversations.list({ from: "there", limit: 2 });
  expect(server.asked(CONVERSATIONS, pkt.ConversationsReq)).toEqual([{ from: "there", limit: 2 }]);
  expect(page.next).toBe("more");
  expect(page.conversations).toMatchObject([
    { peer: "ann", group: false, read: 4, unread: 0, last: { body: "hi", own: true, peer: "ann", seq: 4 } },
    { peer: "g1", group: true, name: "Lunch", memberCount: 3, unread: 2, last: undefined },
  ]);
});

function pair(line: Partial<pkt.Conversation>): pkt.Conversation {
  const nothing = { dest: "", group: false, head: 0, read: 0, unread: 0, name: "", avatar: "", memberCount: 0 };
  return { ...nothing, large: false, ...line };
}

test("a read position is moved, and told where it is now", async () => {
  const server = new FakeServer();
  const { client } = await onlineClient(server, new FakeClock());
  server.answer = ({ header }, channel) => {
    if (header.command !== READ) return undefined;
    channel.reply(header, 0, encodeBody(pkt.ReadResp, { seq: 5 }));
    return "silence";
  };
  expect(await client.conversations.read("g1", 3, { group: true })).toBe(5);
  expect(server.asked(READ, pkt.ReadReq)).toEqual([{ group: true, seq: 3 }]);
  expect(server.requests.at(-1)!.header.dest).toBe("g1");
});

test("reading is told at most every 500 ms per conversation, the last of it, also after being offline for long", async () => {
  const server = new FakeServer();
  const clock = new FakeClock();
  const { client } = await onlineClient(server, clock);
  const told = () =>
    server.requests.filter(({ header }) => header.command === READ)
      .map(({ header, body }) => `${header.dest} ${decodeBody(pkt.ReadReq, body).seq}`);
  for (let seq = 1; seq <= 50; seq++) void client.conversations.read("ann", seq);
  void client.conversations.read("g1", 7, { group: true });
  await settle();
  expect(told()).toEqual(["ann 1", "g1 7"]);
  clock.advance(500);
  await settle();
  expect(told()).toEqual(["ann 1", "g1 7", "ann 50"]);
  clock.advance(5_000);
  await settle();
  server.down.add("ws://one");
  server.online("bob")[0]!.cut();
  await settle();
  void client.conversations.read("ann", 60);
  void client.conversations.read("ann", 55);
  for (let i = 0; i < 100; i++) {
    clock.advance(1_000);
    await settle();
  }
  expect(told()).toHaveLength(3);
  server.down.clear();
  for (let i = 0; i < 30; i++) {
    clock.advance(1_000);
    await settle();
  }
  expect(told().slice(3)).toEqual(["ann 60"]);
});

test("a read position that cannot be told is no unhandled rejection", async () => {
  const server = new FakeServer();
  const { client } = await onlineClient(server, new FakeClock());
  server.answer = ({ header }) => header.command === READ ? 105 : undefined;
  void client.conversations.read("g1", 1, { group: true });
  await settle();
  expect(await client.conversations.read("g2", 1, { group: true }).catch(({ code }) => code)).toBe("UNAUTHORIZED");
  void client.conversations.read("g3", 1, { group: true });
  await client.close();
  await settle();
});
