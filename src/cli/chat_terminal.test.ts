import { describe, expect, test } from "bun:test";
import { CLOSE } from "../protocol/close_reason.ts";
import { FakeServer } from "../sdk/fake_server.ts";
import { MemoryStorage } from "../sdk/storage.ts";
import { chat } from "./chat_at_terminal.fixture.ts";

const HELLO = "talking to bob; /help says what else there is";

describe("petrel chat at a terminal", () => {
  test("shows what came before, what comes, and what was said with a tick when it is durable", async () => {
    const server = new FakeServer();
    server.say("bob", "ann", "you were away");
    const { fake, shown, code } = await chat(server);
    expect(shown()).toEqual([HELLO, "online", "bob: you were away", "bob>"]);
    await fake.type("I am ba");
    server.say("bob", "ann", "hello?");
    await fake.type("ck\r");
    expect(shown()).toEqual([HELLO, "online", "bob: you were away", "bob: hello?", "ann: I am back ✓", "bob>"]);
    await fake.type("\x04");
    expect(await code).toBe(0);
  });

  test("what waits is shown as waiting, five at most, and how long until the next attempt", async () => {
    const server = new FakeServer();
    server.down.add("ws://one");
    const { fake, shown, code } = await chat(server);
    for (let i = 1; i <= 7; i++) await fake.type(`m${i}\r`);
    expect(shown()).toEqual([
      HELLO,
      ...[1, 2, 3, 4, 5].map((i) => `ann: m${i} …`),
      "      and 2 more …",
      "offline, retrying in 1 s",
      "bob>",
    ]);
    await fake.type("\x03");
    expect(await code).toBe(0);
    expect(shown()).toEqual([HELLO, "7 not sent yet: the next start sends what is left"]);
  });

  test("a note stands among the messages, and what is typed stays", async () => {
    const { fake, shown, note } = await chat(new FakeServer());
    await fake.type("half");
    note("its certificate is refused\x1b[2J");
    await fake.settled();
    expect(shown()).toEqual([HELLO, "online", "its certificate is refused·[2J", "bob> half"]);
  });

  test("a lost connection and its return are told once each", async () => {
    const server = new FakeServer();
    const { clock, fake, shown, code } = await chat(server);
    server.down.add("ws://one");
    server.channels[0]!.close(CLOSE.SHUTDOWN);
    for (let i = 0; i < 5; i++) {
      await fake.settled();
      clock.advance(1_000);
    }
    await fake.settled();
    expect(shown().slice(2)).toEqual(["connection lost: shutdown", "offline, retrying in 4 s", "bob>"]);
    server.down.clear();
    clock.advance(4_000);
    await fake.settled();
    await fake.type("again\r");
    expect(shown()).toEqual([HELLO, "online", "connection lost: shutdown", "online again", "ann: again ✓", "bob>"]);
    await fake.type("/quit\r");
    expect(await code).toBe(0);
  });

  test("commands: another person, help, one that is unknown, and a message that begins with a slash", async () => {
    const server = new FakeServer();
    const { fake, shown, code } = await chat(server);
    await fake.type("/to eve\r");
    await fake.type("hi eve\r");
    expect(shown().slice(-3)).toEqual(["talking to eve", "ann: hi eve ✓", "eve>"]);
    expect(server.inbox("eve")).toHaveLength(1);
    await fake.type("/to a/b\r");
    await fake.type("/bogus\r");
    await fake.type("//slash\r");
    await fake.type("   \r");
    expect(shown().slice(-4)).toEqual([
      "/to <account>: 1 to 60 characters, no spaces, none of , / | :",
      "There is no command /bogus; /help lists them.",
      "ann: /slash ✓",
      "eve>",
    ]);
    await fake.type("/help\r");
    expect(fake.text).toContain("/to <account>");
    await fake.type("/quit\r");
    expect(await code).toBe(0);
  });

  test("a message that fails says why", async () => {
    const server = new FakeServer();
    server.answer = ({ header }) => header.command === "chat.user.talk" ? 105 : undefined;
    const { fake, shown, code } = await chat(server);
    await fake.type("hi\r");
    expect(shown().at(-2)).toContain("ann: hi ✗ not sent: ");
    await fake.type("\x03");
    expect(await code).toBe(0);
  });

  test("a refused token and a login elsewhere end it with 1 and the reason", async () => {
    const refusing = new FakeServer();
    refusing.answer = () => 105;
    const refused = await chat(refusing);
    expect(await refused.code).toBe(1);
    expect(refused.shown()).toEqual([HELLO, "Cannot log in: the token was refused"]);

    const server = new FakeServer();
    const first = await chat(server);
    await chat(server);
    expect(await first.code).toBe(1);
    expect(first.shown()).toEqual([HELLO, "online", "this account and device logged in somewhere else"]);
  });

  test("what could not leave is sent by the next start", async () => {
    const server = new FakeServer();
    const storage = new MemoryStorage();
    server.down.add("ws://one");
    const first = await chat(server, { storage });
    await first.fake.type("wait for me\r");
    await first.fake.type("\x03");
    await first.code;
    server.down.clear();
    const second = await chat(server, { storage });
    expect(second.shown()).toEqual([HELLO, "online", "ann: wait for me ✓", "bob>"]);
    await second.fake.type("\x03");
    await second.code;
  });
});
