import { describe, expect, test } from "bun:test";
import { FakeClock } from "../base/fake_clock.ts";
import { pkt } from "../protocol/gen/pkt.js";
import { SYNC } from "./commands.ts";
import { fakeClient, FakeServer, onlineClient, settle } from "./fake_server.ts";
import { MemoryStorage } from "./storage.ts";

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

describe("after a login", () => {
  test("a new device starts where the account's reading stopped", async () => {
    const server = new FakeServer();
    for (const body of numbers(1, 5)) server.say("ann", "bob", body);
    server.acked.set("bob", 3);
    const { bodies } = await onlineClient(server, new FakeClock());
    expect(bodies()).toEqual(["4", "5"]);
  });

  test("what an earlier run has handled is not fetched again, also when it was only read elsewhere", async () => {
    const server = new FakeServer();
    const storage = new MemoryStorage();
    for (const body of numbers(1, 5)) server.say("ann", "bob", body);
    server.acked.set("bob", 5);
    const first = await onlineClient(server, new FakeClock(), { storage });
    await first.client.close();
    const second = await onlineClient(server, new FakeClock(), { storage });
    expect(second.bodies()).toEqual([]);
    expect(server.asked("login.signin", pkt.LoginReq)).toMatchObject([{ cursor: 0, epoch: "" }, {
      cursor: 5,
      epoch: "one",
    }]);
  });

  test("a recovered client is sent what it lacks and asks for nothing", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.say("ann", "bob", "1");
    const { bodies } = await onlineClient(server, clock);
    server.channels[0]!.cut();
    await settle();
    for (const body of numbers(2, 9)) server.say("ann", "bob", body);
    const asked = server.asked(SYNC, pkt.SyncReq).length;
    clock.advance(500);
    await settle();
    clock.advance(5_000);
    await settle();
    expect(bodies()).toEqual(numbers(1, 9));
    expect(server.asked(SYNC, pkt.SyncReq)).toHaveLength(asked);
  });

  test("pushes that a recovery promised and did not bring are fetched after a second", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.say("ann", "bob", "1");
    const { bodies } = await onlineClient(server, clock);
    server.channels[0]!.cut();
    server.push = () => {};
    for (const body of numbers(2, 4)) server.say("ann", "bob", body);
    await settle();
    clock.advance(500);
    await settle();
    clock.advance(1_000);
    await settle();
    expect(bodies()).toEqual(numbers(1, 4));
  });

  test("a client that is too far behind pulls by pages while live pushes wait for their turn", async () => {
    const server = new FakeServer();
    for (const body of numbers(1, 450)) server.say("ann", "bob", body);
    const { client, bodies } = fakeClient(server, new FakeClock());
    let said = 450;
    server.answer = ({ header }) => {
      if (header.command === SYNC) server.say("ann", "bob", String(++said)); // comes before the page
      return undefined;
    };
    await client.login();
    await settle();
    expect(bodies()).toEqual(numbers(1, said));
    expect(server.asked(SYNC, pkt.SyncReq).map(({ after, limit }) => ({ after, limit })).slice(0, 2)).toEqual([
      { after: 0, limit: 200 },
      { after: 200, limit: 200 },
    ]);
  });

  test("a log that was made anew is read from its beginning, and known messages are not repeated", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    for (const body of numbers(1, 3)) server.say("ann", "bob", body);
    const { bodies } = await onlineClient(server, clock);
    const kept = server.inbox("bob").slice(1).map((row, at) => ({ ...row, userSeq: at + 1 }));
    server.remake("two");
    server.inbox("bob").push(...kept);
    server.channels[0]!.cut();
    await settle();
    clock.advance(500);
    await settle();
    expect(bodies()).toEqual(numbers(1, 3));
    server.say("ann", "bob", "4");
    await settle();
    expect(bodies()).toEqual(numbers(1, 4));
  });

  test("a log that is made anew under a live connection is noticed by the next page", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    for (const body of numbers(1, 3)) server.say("ann", "bob", body);
    const { bodies } = await onlineClient(server, clock);
    server.remake("two");
    server.push = () => {};
    for (const body of numbers(4, 8)) server.say("ann", "bob", body);
    server.online("bob")[0]!.pong(5);
    await settle();
    clock.advance(1_000);
    await settle();
    expect(bodies()).toEqual(numbers(1, 8));
    await settle();
    clock.advance(500);
    await settle();
    expect(server.acked.get("bob")).toBe(5);
  });

  test("an inbox that gets its first message under the client has a name at the next login", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { bodies } = await onlineClient(server, clock);
    server.say("ann", "bob", "first");
    await settle();
    server.channels[0]!.cut();
    await settle();
    clock.advance(500);
    await settle();
    expect(bodies()).toEqual(["first"]);
    expect(server.asked("login.signin", pkt.LoginReq)).toMatchObject([{ epoch: "" }, { cursor: 1, epoch: "one" }]);
  });

  test("a page that is refused is asked for again, later and later", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    for (const body of numbers(1, 3)) server.say("ann", "bob", body);
    server.answer = ({ header }) => header.command === SYNC ? 302 : undefined;
    const { bodies } = await onlineClient(server, clock);
    clock.advance(500); // half of 1 s: the jitter of these tests
    await settle();
    clock.advance(999);
    await settle();
    expect(server.asked(SYNC, pkt.SyncReq)).toHaveLength(2);
    server.answer = () => undefined;
    clock.advance(1);
    await settle();
    expect(bodies()).toEqual(numbers(1, 3));
  });
});
