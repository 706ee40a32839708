import { describe, expect, test } from "bun:test";
import { FakeClock } from "../base/fake_clock.ts";
import { pkt } from "../protocol/gen/pkt.js";
import { GROUP_CREATE, GROUP_JOIN, GROUP_MEMBERS } from "./commands.ts";
import { fakeClient, FakeServer, onlineClient, settle } from "./fake_server.ts";

/** What a promise came to: its value or the code it rejected with, or "waits". */
function outcome<T>(promise: Promise<T>): { value: unknown } {
  const told: { value: unknown } = { value: "waits" };
  promise.then((value) => told.value = value, (error) => told.value = error.code);
  return told;
}

describe("groups", () => {
  test("are made, read, joined and left", async () => {
    const server = new FakeServer();
    const { client } = await onlineClient(server, new FakeClock());
    const id = await client.groups.create({ name: "Lunch", members: ["ann"], introduction: "at noon" });
    expect(server.asked(GROUP_CREATE, pkt.GroupCreateReq)).toMatchObject([{ name: "Lunch", introduction: "at noon" }]);
    expect(await client.groups.get(id)).toEqual({
      id,
      name: "Lunch",
      avatar: "",
      introduction: "",
      owner: "bob",
      createdMs: 1_700_000_000_000,
      memberCount: 2,
      members: [{ account: "bob", joinedMs: 1_700_000_000_000 }, { account: "ann", joinedMs: 1_700_000_000_000 }],
      head: 0,
      large: false,
    });
    await client.groups.join(id, "eve");
    await client.groups.leave(id);
    expect([...server.groups.all.get(id)!.members.keys()]).toEqual(["ann", "eve"]);
    await client.groups.join(id);
    expect(server.asked(GROUP_JOIN, pkt.GroupJoinReq).map(({ account }) => account)).toEqual(["eve", "bob"]);
  });

  test("members come page by page, as far as they are asked for", async () => {
    const server = new FakeServer();
    const names = Array.from({ length: 1_100 }, (_, i) => `m${i}`);
    const { id } = server.groups.make("Many", ["bob", ...names]);
    const { client } = await onlineClient(server, new FakeClock());
    const all: string[] = [];
    for await (const { account } of client.groups.members(id)) all.push(account);
    expect(all).toEqual(["bob", ...names]);
    expect(server.asked(GROUP_MEMBERS, pkt.GroupMembersReq).map(({ from }) => from)).toEqual(["", "500", "1000"]);
    for await (const { account } of client.groups.members(id)) if (account === "m3") break;
    expect(server.asked(GROUP_MEMBERS, pkt.GroupMembersReq)).toHaveLength(4);
  });

  test("what is refused rejects with the status' code", async () => {
    const server = new FakeServer();
    const { id } = server.groups.make("Theirs", ["ann"]);
    const { client } = await onlineClient(server, new FakeClock());
    const refused = [client.groups.get(id), client.groups.get("nothing"), client.groups.members("nothing").next()];
    const codes = await Promise.all(refused.map((one) => one.then(() => "", ({ code }) => code)));
    expect(codes).toEqual(["UNAUTHORIZED", "INVALID_BODY", "INVALID_BODY"]);
  });

  test("a request waits for the connection, and fails after 30 s without one", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.down.add("ws://one");
    const { client } = fakeClient(server, clock);
    const late = outcome(client.groups.create({ name: "too late" }));
    clock.advance(20_000);
    const made = outcome(client.groups.create({ name: "in time" }));
    void client.login();
    await settle();
    clock.advance(10_000);
    await settle();
    expect([late.value, made.value]).toEqual(["TIMEOUT", "waits"]);
    server.down.clear();
    clock.advance(15_000);
    await settle();
    expect(made.value).toBe("g1");
    expect([...server.groups.all.values()].map(({ name }) => name)).toEqual(["in time"]);
  });

  test("a group whose answer was lost with the connection is not made again, and nobody knows", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await onlineClient(server, clock);
    server.answer = ({ header }, channel) => {
      if (header.command !== GROUP_CREATE && header.command !== GROUP_JOIN) return undefined;
      server.answer = () => undefined;
      if (header.command === GROUP_CREATE) server.groups.make("made", ["bob"]);
      channel.cut();
      return "silence";
    };
    const { code, message } = await client.groups.create({ name: "made" }).then(() => ({}) as never, (error) => error);
    expect(code).toBe("CLOSED");
    expect(message).toContain("it may have been done");
    clock.advance(1_000);
    await settle();
    expect(client.state).toBe("online");
    expect(server.groups.all.size).toBe(1);
  });

  test("joining is repeated when the connection breaks, as it cannot be done twice", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { id } = server.groups.make("Theirs", ["ann"]);
    const { client } = await onlineClient(server, clock);
    server.answer = (_packet, channel) => {
      server.answer = () => undefined;
      channel.cut();
      return "silence";
    };
    const joined = outcome(client.groups.join(id));
    await settle();
    clock.advance(1_000);
    await settle();
    expect(joined.value).toBe(undefined);
    expect(server.asked(GROUP_JOIN, pkt.GroupJoinReq)).toHaveLength(2);
  });

  test("what is refused for the moment is asked again for 30 s", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await onlineClient(server, clock);
    let refusals = 0;
    server.answer = ({ header }) => header.command === GROUP_CREATE && refusals++ < 2 ? 302 : undefined;
    const made = outcome(client.groups.create({ name: "made" }));
    for (let i = 0; i < 5; i++) {
      await settle();
      clock.advance(1_000);
    }
    await settle();
    expect([made.value, refusals]).toEqual(["g1", 3]);
    refusals = -1_000;
    const refused = outcome(client.groups.create({ name: "never" }));
    for (let i = 0; i < 60; i++) {
      await settle();
      clock.advance(1_000);
    }
    await settle();
    expect(refused.value).toBe("BUSY");
    expect(server.groups.all.size).toBe(1);
  });

  test("closing fails what waits; a closed client asks nothing", async () => {
    const server = new FakeServer();
    const { client } = fakeClient(server, new FakeClock());
    const waits = outcome(client.groups.join("g1"));
    await client.close();
    await settle();
    expect(waits.value).toBe("CLOSED");
    expect(await client.groups.get("g1").catch(({ code }) => code)).toBe("CLOSED");
  });

  test("more than 256 requests do not wait, and one too large for a frame is not sent", async () => {
    const server = new FakeServer();
    const { client } = await onlineClient(server, new FakeClock());
    const members = Array.from({ length: 5_000 }, (_, i) => `somebody-with-a-name-${i}`);
    expect(await client.groups.create({ name: "big", members }).catch(({ code }) => code)).toBe("INVALID_BODY");
    expect(client.state).toBe("online");
    server.answer = () => "silence";
    const all = Array.from({ length: 257 }, () => outcome(client.groups.get("g1")));
    await settle();
    expect(all.filter(({ value }) => value === "QUOTA")).toHaveLength(1);
    expect(all.filter(({ value }) => value === "waits")).toHaveLength(256);
  });

  test("what no server could read fails by itself, and disturbs nothing", async () => {
    const server = new FakeServer();
    const { client } = await onlineClient(server, new FakeClock());
    const anything: unknown[] = [undefined, 7, {}, "x".repeat(5_000), "a/b", ""];
    for (const one of anything) {
      const peer = one as string; // where nobody checks types
      expect(await client.conversations.history(peer).catch(({ code }) => code)).toBe("INVALID_BODY");
      expect(await client.conversations.read(peer, 1).catch(({ code }) => code)).toBe("INVALID_BODY");
    }
    const wrong = [7, { length: 2 }] as unknown as string[];
    expect(await client.groups.create({ name: "n", members: wrong }).catch(({ code }) => code)).toBe("INVALID_BODY");
    expect(await client.groups.create({ name: 7 as unknown as string }).catch(({ code }) => code)).toBe("INVALID_BODY");
    expect(await client.groups.create({ name: "fine" })).toBe("g1");
    expect(client.state).toBe("online");
  });
});
