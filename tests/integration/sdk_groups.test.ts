import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as runtime from "#runtime";
import { connectWith } from "../../src/cli/connect.ts";
import { decodeBody } from "../../src/protocol/bodies.ts";
import { CLOSE } from "../../src/protocol/close_reason.ts";
import { pkt } from "../../src/protocol/gen/pkt.js";
import { PetrelClient } from "../../src/sdk/client.ts";
import type { ReadChange } from "../../src/sdk/conversations.ts";
import type { GroupChange } from "../../src/sdk/groups.ts";
import type { Message } from "../../src/sdk/message.ts";
import type { ClientOptions } from "../../src/sdk/options.ts";
import type { Skipped } from "../../src/sdk/rooms.ts";
import type { Connect } from "../../src/sdk/socket.ts";
import { MemoryStorage } from "../../src/sdk/storage.ts";
import { until } from "../support/until.ts";
import { LocalSystem, type Transport } from "./system_local.ts";

/** A PostgreSQL database in place of SQLite. */
const database = process.env["PETREL_TEST_DATABASE"];
const RUN = crypto.randomUUID().slice(0, 8);

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

for (const [size, inboxGroup] of [["small", 500], ["large", 2]] as const) {
  describe(`a ${size} group`, () => {
    let local: LocalSystem;
    beforeAll(async () => {
      local = await LocalSystem.start({ inboxGroup, database });
    });
    afterAll(() => local[Symbol.asyncDispose]());

    /** Logged in; what it was handed and told. */
    async function person(account: string, options: Partial<ClientOptions> = {}, transport: Transport = "ws") {
      const client = new PetrelClient({
        url: local[transport],
        token: () => local.token(account),
        connect: connectWith(runtime.dial),
        ...options,
      });
      const received: Message[] = [];
      const changes: GroupChange[] = [];
      const reads: ReadChange[] = [];
      const skipped: Skipped[] = [];
      client.onMessage((message) => void received.push(message));
      client.on("group", (change) => void changes.push(change));
      client.on("read", (change) => void reads.push(change));
      client.on("skipped", (one) => void skipped.push(one));
      await client.login();
      const bodies = () => received.map(({ body }) => body);
      return { client, received, bodies, changes, reads, skipped, [Symbol.asyncDispose]: () => client.close() };
    }

    const names = (...roles: string[]) => roles.map((role) => local.name(`${role}-${RUN}-${size}`));
    const say = (by: PetrelClient, group: string, bodies: readonly string[]) =>
      Promise.all(bodies.map((body) => by.talk(group, body, { group: true }).done));

    test("is made, joined and left, and those inside are told", async () => {
      const [ann, bob, cat] = names("ann", "bob", "cat");
      await using a = await person(ann!);
      await using b = await person(bob!, {}, "tcp");
      await using c = await person(cat!, { content: "json" });
      const group = await a.client.groups.create({ name: "Lunch", members: [bob!], introduction: "at noon" });
      await until(() => b.changes.length === 1, "bob is told");
      expect(b.changes).toEqual([{ change: "created", group, accounts: [ann!, bob!] }]);
      expect(await c.client.groups.get(group).catch(({ code }) => code)).toBe("UNAUTHORIZED");
      await c.client.groups.join(group);
      await a.client.groups.join(group, cat!); // twice is fine
      expect(await c.client.groups.get(group)).toMatchObject({
        id: group,
        name: "Lunch",
        introduction: "at noon",
        owner: ann,
        memberCount: 3,
        large: size === "large",
        head: 0,
      });
      const inside: string[] = [];
      for await (const { account } of c.client.groups.members(group)) inside.push(account);
      expect(inside).toEqual([ann!, bob!, cat!]);
      await c.client.groups.leave(group);
      expect((await a.client.groups.get(group)).memberCount).toBe(2);
      await until(() => a.changes.length >= (size === "small" ? 2 : 1), "ann is told");
      expect(a.changes).toEqual(
        size === "small"
          ? [{ change: "joined", group, accounts: [cat!] }, { change: "left", group, accounts: [cat!] }]
          : [
            // It became large by this one, and then everybody is told.
            { change: "joined", group, accounts: [cat!] },
          ],
      );
      expect(await c.client.talk(group, "still here?", { group: true }).done.catch(({ code }) => code)).toBe(
        "UNAUTHORIZED",
      );
      expect(await a.client.groups.get("nothing").catch(({ code }) => code)).toBe("INVALID_BODY");
    });

    test("hands everybody everything once and in order, also after an absence", async () => {
      const [ann, bob, cat] = names("ann", "bob", "cat");
      await using a = await person(ann!);
      await using c = await person(cat!);
      const storage = new MemoryStorage();
      const first = await person(bob!, { storage, content: "json" }, "tcp");
      const group = await a.client.groups.create({ name: "Order", members: [bob!, cat!] });
      await say(a.client, group, numbers(1, 50));
      await say(c.client, group, ["51"]);
      await until(() => first.received.length >= 51, "bob has all");
      expect(first.bodies()).toEqual(numbers(1, 51));
      expect(first.received[0]).toMatchObject({ peer: group, group: true, sender: ann, own: false, seq: 1 });
      await first.client.close();
      await say(a.client, group, numbers(52, 500));
      await using second = await person(bob!, { storage });
      await until(() => second.received.length >= 449, "bob has what he missed");
      await say(second.client, group, ["501"]);
      await say(a.client, group, ["502"]);
      await until(() => second.received.length >= 450, "bob hears the next");
      expect(second.bodies()).toEqual([...numbers(52, 500), "502"]);
      await until(() => a.received.length >= 2, "ann hears the others");
      expect(a.bodies()).toEqual(["51", "501"]);
      expect((await storage.load()).position?.groups).toEqual({ [group]: 502 });
    });

    test("history is read by pages, a list shows what is unread, and reading is told to other devices", async () => {
      const [ann, bob] = names("ann", "bob");
      await using a = await person(ann!);
      await using b = await person(bob!);
      await using phone = await person(bob!, { device: "phone" }, "tcp");
      const group = await a.client.groups.create({ name: "Books", members: [bob!, ...names("x")] });
      await say(a.client, group, numbers(1, 30));
      await a.client.talk(bob!, "psst").done;
      const { history, list, read } = {
        history: async (options: { before?: number; after?: number; limit: number }) =>
          (await b.client.conversations.history(group, { group: true, ...options })).messages.map(({ body }) => body),
        list: async () =>
          (await b.client.conversations.list()).conversations
            .map(({ peer, name, unread, last }) => ({ peer, name, unread, last: last?.body })),
        read: (seq: number) => b.client.conversations.read(group, seq, { group: true }),
      };
      expect(await history({ limit: 5 })).toEqual(numbers(26, 30));
      expect(await history({ before: 26, limit: 5 })).toEqual(numbers(21, 25));
      expect(await history({ after: 0, limit: 3 })).toEqual(numbers(1, 3));
      expect((await b.client.conversations.history(ann!)).messages.map(({ body }) => body)).toEqual(["psst"]);
      const pair = { peer: ann!, name: "", unread: 1, last: "psst" };
      expect(await list()).toEqual([pair, { peer: group, name: "Books", unread: 30, last: "30" }]);
      expect(await read(28)).toBe(28);
      expect(await read(10)).toBe(28); // never back
      await until(() => phone.reads.length >= 1, "the phone is told");
      expect(phone.reads[0]).toEqual({ peer: group, group: true, seq: 28 });
      expect(await list()).toEqual([pair, { peer: group, name: "Books", unread: 2, last: "30" }]);
      const page = await b.client.conversations.list({ limit: 1 });
      expect(page.conversations.map(({ peer }) => peer)).toEqual([ann!]);
      const rest = await b.client.conversations.list({ from: page.next });
      expect(rest.conversations.map(({ peer }) => peer)).toEqual([group]);
      expect(rest.next).toBe("");
    });

    test("of a long absence the newest messages are handed over when the app wants no more", async () => {
      const [ann, bob] = names("ann", "bob");
      await using a = await person(ann!);
      const storage = new MemoryStorage();
      const first = await person(bob!, { storage });
      const group = await a.client.groups.create({ name: "Loud", members: [bob!, ...names("x")] });
      await say(a.client, group, ["1"]);
      await until(() => first.received.length === 1, "bob has the first");
      await first.client.close();
      await say(a.client, group, numbers(2, 100));
      await using second = await person(bob!, { storage, backlog: 20 });
      const expected = size === "small" ? numbers(2, 100) : numbers(81, 100); // an inbox has them all
      await until(() => second.received.length >= expected.length, "bob has the newest");
      expect(second.bodies()).toEqual(expected);
      expect(second.skipped).toEqual(size === "small" ? [] : [{ group, from: 2, to: 80 }]);
    });

    test("is whole when the connection breaks every forty packets, beside an old client of the account", async () => {
      const [ann, bob] = names("ann", "bob");
      await using a = await person(ann!);
      const dial = connectWith(runtime.dial);
      let breaks = 0;
      const breaking: Connect = (url, events) => {
        let left = 40;
        const socket = dial(url, {
          ...events,
          packet: (bytes) => {
            events.packet(bytes);
            if (--left > 0) return;
            breaks++;
            socket.close(CLOSE.NORMAL);
            events.closed(1006, "broken");
          },
        });
        return socket;
      };
      await using b = await person(bob!, { connect: breaking, device: "new", random: () => 0.01 });
      const old = await local.login("tcp", bob!);
      await old.inbox.index(0n);
      const group = await a.client.groups.create({ name: "Rough", members: [bob!, ...names("x")] });
      const mine: string[] = [];
      for (let round = 0; round < 10; round++) {
        await say(a.client, group, numbers(round * 30 + 1, round * 30 + 30));
        mine.push(`mine ${round}`);
        await say(b.client, group, mine.slice(-1));
      }
      await until(() => b.received.length >= 300, "bob has all");
      expect(b.bodies()).toEqual(numbers(1, 300));
      expect(breaks).toBeGreaterThan(5);
      const heard = () =>
        old.pushes.filter((one) => one.command === "chat.group.talk")
          .map((one) => decodeBody(pkt.MessagePush, one.body)).filter(({ sender }) => sender === ann);
      await old.until(() => heard().length >= 300);
      expect(heard().map(({ body }) => body)).toEqual(numbers(1, 300));
      const { messages } = await a.client.conversations.history(group, { group: true, after: 0 });
      expect(messages.filter(({ sender }) => sender === bob).map(({ body }) => body)).toEqual(
        mine.slice(0, messages.filter(({ sender }) => sender === bob).length),
      );
      old.close();
    });

    test("goes on without a hole when the server is started again", async () => {
      const [ann, bob] = names("ann", "bob");
      const ports = local.system;
      await using a = await person(ann!, { url: () => local.ws });
      await using b = await person(bob!, { url: () => local.tcp });
      const group = await a.client.groups.create({ name: "Restart", members: [bob!, ...names("x")] });
      await say(a.client, group, numbers(1, 20));
      const restarted = local.restart();
      const sent = say(a.client, group, numbers(21, 60));
      await restarted;
      expect(local.system).not.toBe(ports);
      await sent;
      await until(() => b.received.length >= 60, "bob has all");
      expect(b.bodies()).toEqual(numbers(1, 60));
    });
  });
}

test("a group that becomes large while its members chat", async () => {
  await using local = await LocalSystem.start({ inboxGroup: 5, database });
  const name = (role: string) => local.name(`${role}-${RUN}-grow`);
  const clients = await Promise.all(["ann", "bob", "cat"].map(async (role) => {
    const account = name(role);
    const token = () => local.token(account);
    const client = new PetrelClient({ url: local.ws, token, connect: connectWith(runtime.dial) });
    const heard: string[] = [];
    client.onMessage(({ body }) => void heard.push(body));
    await client.login();
    return { client, account, heard };
  }));
  const [a, b] = clients;
  const group = await a!.client.groups.create({ name: "Growing", members: clients.map(({ account }) => account) });
  const talking = Promise.all(numbers(1, 300).map((body) => a!.client.talk(group, body, { group: true }).done));
  for (let i = 0; i < 6; i++) await b!.client.groups.join(group, name("more"));
  await talking;
  expect((await b!.client.groups.get(group)).large).toBe(true);
  for (const { heard } of clients.slice(1)) await until(() => heard.length >= 300, "everything was heard");
  for (const { heard } of clients.slice(1)) expect(heard).toEqual(numbers(1, 300));
  await Promise.all(clients.map(({ client }) => client.close()));
});
