import { describe, expect, test } from "bun:test";
import { encodeBody } from "../protocol/bodies.ts";
import { pkt } from "../protocol/gen/pkt.js";
import { FLAG, makeHeader } from "../protocol/header.ts";
import { encodeLogic } from "../protocol/packet.ts";
import { FakeServer } from "../sdk/fake_server.ts";
import { chat } from "./chat_at_terminal.fixture.ts";

describe("groups at a terminal", () => {
  test("one is made, talked in, filled and left", async () => {
    const server = new FakeServer();
    const { fake, shown, code } = await chat(server);
    await fake.type("/new Lunch eve\r");
    expect(shown().slice(2)).toEqual([
      "made #Lunch; others join it with /join g1",
      "talking to #Lunch",
      "#Lunch>",
    ]);
    await fake.type("noon?\r");
    server.say("eve", "g1", "one is better");
    await fake.settled();
    await fake.type("/to bob\r");
    server.say("eve", "g1", "or two");
    await fake.settled();
    expect(shown().slice(4)).toEqual([
      "ann: noon? ✓",
      "eve: one is better",
      "talking to bob",
      "eve in #Lunch: or two",
      "bob>",
    ]);
    await fake.type("/to #Lunch\r");
    await fake.type("/add cat dan\r");
    await fake.type("/members\r");
    expect(shown().slice(-5)).toEqual([
      "talking to #Lunch",
      "cat is in #Lunch",
      "dan is in #Lunch",
      "#Lunch (g1), 4 in it: ann (owner), eve, cat, dan",
      "#Lunch>",
    ]);
    await fake.type("/leave\r");
    expect(shown().slice(-3)).toEqual(["left #Lunch", "talking to bob", "bob>"]);
    await fake.type("/members\r");
    expect(shown().at(-2)).toBe("You are not talking in a group; /list shows yours, /to #<group> goes there.");
    await fake.type("/quit\r");
    expect(await code).toBe(0);
  });

  test("a chat that begins in a group learns its name; another is joined by its id", async () => {
    const server = new FakeServer();
    server.groups.make("Books", ["ann", "bob"]);
    server.groups.make("Open to all", ["bob"]);
    const { fake, shown, code } = await chat(server, {}, { peer: "g1", group: true });
    expect(shown()).toEqual(["talking to #g1; /help says what else there is", "online", "#Books>"]);
    await fake.type("/to #g2\r");
    expect(shown().at(-2)).toBe("chat.group.detail was answered with status 105");
    await fake.type("/join g2\r");
    expect(shown().slice(-2)).toEqual(["talking to #Open to all", "#Open to all>"]);
    await fake.type("/to #Books\r");
    await fake.type("/to #Open to all\r");
    expect(shown().slice(-3)).toEqual(["talking to #Books", "talking to #Open to all", "#Open to all>"]);
    await fake.type("/leave\r");
    expect(shown().at(-1)).toBe("ann>");
    await fake.type("\x04");
    expect(await code).toBe(0);
  });

  test("what others do to groups is told; a name cannot forge a line", async () => {
    const server = new FakeServer();
    server.groups.make("bad\n12:00 bob: \x1b[2Jsend money", ["ann"]);
    const { fake, shown } = await chat(server);
    const push = (command: string, body: Uint8Array) =>
      server.online("ann")[0]!.send(encodeLogic(makeHeader(command, { flag: FLAG.PUSH }), body));
    push("chat.group.create", encodeBody(pkt.GroupCreateNotify, { groupId: "g1", members: ["bob", "ann"] }));
    await fake.settled();
    push("chat.group.join", encodeBody(pkt.GroupJoinNotify, { groupId: "g1", account: "eve" }));
    push("chat.group.quit", encodeBody(pkt.GroupQuitNotify, { groupId: "g1", account: "eve" }));
    await fake.settled();
    const name = "#bad 12:00 bob: ·[2Jsend money";
    expect(shown().slice(2)).toEqual([
      `you are in ${name} now; /to ${name} talks there`,
      `eve joined ${name}`,
      `eve left ${name}`,
      "bob>",
    ]);
    await fake.type("\x04");
  });

  test("the list says what is unread, history what was said", async () => {
    const server = new FakeServer();
    server.groups.make("Lunch", ["ann", "bob"]);
    for (let i = 1; i <= 30; i++) server.say("bob", "g1", `m${i}`);
    server.acked.set("ann", 30);
    const last = { ...server.inbox("ann").at(-1)!, body: "hello\nthere" };
    const line = { head: 30, read: 0, avatar: "", memberCount: 0, large: false };
    const conversations = [
      { ...line, dest: "g1", group: true, name: "Lunch", unread: 1_000, last },
      {
        ...line,
        dest: "bob",
        group: false,
        name: "",
        unread: 2,
        last: { ...last, sender: "ann", dest: "bob", group: false },
      },
      { ...line, dest: "somebody", group: false, name: "", unread: 0 },
    ];
    server.answer = ({ header }, channel) => {
      if (header.command !== "chat.conversations") return undefined;
      channel.reply(header, 0, encodeBody(pkt.ConversationsResp, { conversations, next: "" }));
      return "silence";
    };
    const { fake, shown, code } = await chat(server);
    await fake.type("/list\r");
    expect(shown().slice(2)).toEqual([
      "  #Lunch    1000+ unread  bob: hello there",
      "  bob       2 unread      you: hello there",
      "  somebody",
      "bob>",
    ]);
    await fake.type("/to #Lunch\r");
    await fake.type("/history 3\r");
    expect(shown().slice(-5)).toEqual(["bob: m28", "bob: m29", "bob: m30", "── up to here ──", "#Lunch>"]);
    await fake.type("/history\r");
    expect(shown().at(-22)).toBe("bob: m11");
    await fake.type("/history many\r");
    expect(shown().at(-2)).toBe("/history [count]: 1 to 200");
    await fake.type("\x04");
    expect(await code).toBe(0);
  });

  test("what is shown of the conversation the person is in counts as read, once for a burst", async () => {
    const server = new FakeServer();
    server.groups.make("Lunch", ["ann", "bob"]);
    const { fake, clock } = await chat(server);
    for (let i = 1; i <= 20; i++) server.say("bob", "ann", `m${i}`);
    for (let i = 1; i <= 3; i++) server.say("bob", "g1", `m${i}`);
    await fake.settled();
    const marks = () =>
      server.requests.filter(({ header }) => header.command === "chat.read").map(({ header }) => header.dest);
    const seqs = () => server.asked("chat.read", pkt.ReadReq).map(({ seq }) => seq);
    expect(seqs()).toEqual([1]);
    clock.advance(500);
    await fake.settled();
    expect(seqs()).toEqual([1, 20]);
    await fake.type("/to #Lunch\r");
    expect(marks()).toEqual(["bob", "bob", "g1"]);
    expect(seqs().at(-1)).toBe(3);
    await fake.type("\x04");
  });

  test("what a command cannot do it says", async () => {
    const server = new FakeServer();
    const { fake, shown } = await chat(server);
    for (const line of ["/new", "/new Lunch a/b", "/join", "/join nowhere", "/add eve", "/to #", "/to #nowhere"]) {
      await fake.type(`${line}\r`);
    }
    expect(shown().slice(2)).toEqual([
      "/new <name> [account…]: a name of one word, then who is in it",
      "a/b is no account: 1 to 60 characters, no spaces, none of , / | :",
      "/join <id>",
      "chat.group.join was answered with status 101",
      "You are not talking in a group; /list shows yours, /to #<group> goes there.",
      "/to <account>: 1 to 60 characters, no spaces, none of , / | :",
      "chat.group.detail was answered with status 101",
      "bob>",
    ]);
    await fake.type("\x04");
  });
});
