import { describe, expect, test } from "bun:test";
import { FakeClock } from "../base/fake_clock.ts";
import { pkt } from "../protocol/gen/pkt.js";
import { PetrelClient } from "./client.ts";
import { SYNC } from "./commands.ts";
import { fakeClient, FakeServer, onlineClient, settle } from "./fake_server.ts";
import { MemoryStorage } from "./storage.ts";

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

describe("handlers", () => {
  test("the next message waits for an asynchronous handler", async () => {
    const server = new FakeServer();
    const { client } = await onlineClient(server, new FakeClock());
    const log: string[] = [];
    const gates: (() => void)[] = [];
    client.onMessage(async ({ body }) => {
      log.push(`begin ${body}`);
      await new Promise<void>((resolve) => gates.push(resolve));
      log.push(`end ${body}`);
    });
    for (const body of numbers(1, 2)) server.say("ann", "bob", body);
    await settle();
    expect(log).toEqual(["begin 1"]);
    gates[0]!();
    await settle();
    expect(log).toEqual(["begin 1", "end 1", "begin 2"]);
  });

  test("a slow handler loses nothing, and no more than two pages wait for it", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    for (const body of numbers(1, 1_500)) server.say("ann", "bob", body);
    const { client, bodies } = fakeClient(server, clock);
    let open: (() => void) | undefined;
    client.onMessage(() => open ? undefined : new Promise<void>((resolve) => open = resolve));
    await client.login();
    await settle();
    const asked = () => server.asked(SYNC, pkt.SyncReq).length;
    const before = asked();
    for (const body of numbers(1_501, 1_600)) server.say("ann", "bob", body);
    for (let i = 0; i < 20; i++) {
      clock.advance(1_000);
      await settle();
    }
    expect(bodies()).toEqual(["1"]);
    expect(before).toBe(asked());
    expect(before).toBeLessThanOrEqual(3);
    open!();
    await settle();
    await settle();
    expect(bodies()).toEqual(numbers(1, 1_600));
  });

  test("a message that comes again while it waits for a slow handler is handed over once", async () => {
    const server = new FakeServer();
    const { client } = await onlineClient(server, new FakeClock());
    const gates: (() => void)[] = [];
    const begun: string[] = [];
    client.onMessage(({ body }) => {
      begun.push(body);
      return new Promise<void>((resolve) => gates.push(resolve));
    });
    const row = { sendTime: 9n, type: 1, extra: "", sender: "ann", seq: 0, userSeq: 0, dest: "bob", group: false };
    const channel = server.online("bob")[0]!;
    for (const id of [1n, 2n, 2n, 1n, 3n]) channel.push({ ...row, messageId: id, body: `${id}`, clientMsgId: "" });
    await settle();
    for (let i = 0; i < 3; i++) {
      gates[i]!();
      await settle();
    }
    expect(begun).toEqual(["1", "2", "3"]);
  });

  test("a handler that throws stops nothing", async () => {
    const server = new FakeServer();
    const { client, bodies } = await onlineClient(server, new FakeClock());
    client.onMessage(({ body }) => {
      if (body === "1") throw new Error("broken");
      return Promise.reject(new Error("broken later"));
    });
    for (const body of numbers(1, 3)) server.say("ann", "bob", body);
    await settle();
    expect(bodies()).toEqual(numbers(1, 3));
  });

  test("messages wait until somebody listens", async () => {
    const server = new FakeServer();
    const storage = new MemoryStorage();
    const options = { url: "ws://one", token: "bob", connect: server.connect, clock: new FakeClock(), storage };
    const client = new PetrelClient(options);
    await client.login();
    server.say("ann", "bob", "1");
    server.say("bob", "ann", "2");
    await settle();
    expect((await storage.load()).position).toMatchObject({ cursor: 0 });
    const bodies: string[] = [];
    const stop = client.onMessage(({ body }) => void bodies.push(body));
    expect(bodies).toEqual(["1", "2"]);
    stop();
    server.say("ann", "bob", "3");
    await settle();
    expect(bodies).toEqual(["1", "2"]);
    expect((await storage.load()).position).toMatchObject({ cursor: 2 });
  });

  test("the place is saved after the handlers have run, not before", async () => {
    const server = new FakeServer();
    const storage = new MemoryStorage();
    const { client } = await onlineClient(server, new FakeClock(), { storage });
    let open = () => {};
    client.onMessage(() => new Promise<void>((resolve) => open = resolve));
    server.say("ann", "bob", "1");
    await settle();
    expect((await storage.load()).position).toMatchObject({ cursor: 0, seen: [] });
    open();
    await settle();
    expect((await storage.load()).position).toMatchObject({ cursor: 1, seen: ["1000001"] });
  });

  test("what is handed over while the log is made anew is remembered for the next run", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const storage = new MemoryStorage();
    server.say("ann", "bob", "0");
    const first = await onlineClient(server, clock, { storage });
    let open = () => {};
    first.client.onMessage(() => new Promise<void>((resolve) => open = resolve));
    server.say("ann", "bob", "1");
    await settle();
    server.epoch = "two";
    server.answer = ({ header }) => header.command === SYNC ? "silence" : undefined;
    server.channels[0]!.cut();
    await settle();
    clock.advance(500);
    await settle();
    open();
    await settle();
    await first.client.close();
    server.answer = () => undefined;
    const second = await onlineClient(server, clock, { storage });
    expect([first.bodies(), second.bodies()]).toEqual([["0", "1"], []]);
  });
});
