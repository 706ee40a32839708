import { describe, expect, test } from "bun:test";
import { ImError } from "../base/errors.ts";
import { FakeClock } from "../base/fake_clock.ts";
import { pkt } from "../protocol/gen/pkt.js";
import { TEXT } from "../protocol/limits.ts";
import { GROUP_TALK, USER_TALK } from "./commands.ts";
import { fakeClient, FakeServer, onlineClient, settle } from "./fake_server.ts";
import type { SentMessage } from "./sent_message.ts";

async function withLog(server: FakeServer, clock: FakeClock, options: Parameters<typeof fakeClient>[2] = {}) {
  const all = fakeClient(server, clock, options);
  const sent: string[] = [];
  all.client.on("sent", ({ body, state }) => void sent.push(`${body} ${state}`));
  await all.client.login();
  await settle();
  return { ...all, sent };
}

const talks = (server: FakeServer) => server.asked(USER_TALK, pkt.MessageReq);
const caught = (message: SentMessage) => message.done.then(() => undefined, (error: ImError) => error);

describe("talk", () => {
  test("gives the message at once and the receipt when it is durable", async () => {
    const server = new FakeServer();
    const { client, sent, received } = await withLog(server, new FakeClock());
    const message = client.talk("ann", "hi", { type: 2, extra: "x" });
    expect(message).toMatchObject({ dest: "ann", body: "hi", type: 2, extra: "x", state: "sending" });
    const receipt = await message.done;
    expect(receipt).toEqual({ messageId: 1_000_001n, sendTime: 1_000_001_000n, seq: 1 });
    expect(message).toMatchObject({ state: "durable", receipt });
    expect(sent).toEqual(["hi durable"]);
    await settle();
    expect(received).toEqual([]);
    expect(talks(server)).toEqual([{ type: 2, body: "hi", extra: "x", clientMsgId: message.id }]);
  });

  test("to a group goes out as group talk", async () => {
    const server = new FakeServer();
    const { client } = await withLog(server, new FakeClock());
    await client.talk("g1", "all", { group: true }).done;
    expect(server.asked(GROUP_TALK, pkt.MessageReq)).toHaveLength(1);
  });

  test("ids differ between clients and messages, and fit the limit", async () => {
    const server = new FakeServer();
    const ids = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const { client } = await withLog(server, new FakeClock(), { random: Math.random, token: `u${i}` });
      for (let j = 0; j < 50; j++) ids.add(client.talk("ann", "hi").id);
      await client.close();
    }
    expect(ids.size).toBe(1_000);
    for (const id of ids) expect(id.length).toBeLessThanOrEqual(TEXT.clientMsgId);
  });

  test.each([
    ["a body that is a list", '["ann", ["q"]]'],
    ["a body that is a number", '["ann", 5]'],
    ["a body that is null", '["ann", null]'],
    ["an extra that is no text", '["ann", "hi", {"extra": 7}]'],
    ["a type that is a text", '["ann", "hi", {"type": "1"}]'],
    ["a type over 32 bits", '["ann", "hi", {"type": 1e12}]'],
    ["a destination that is no text", '[5, "hi"]'],
  ])("where nobody checks types, %s fails by itself and stands in no other message's way", async (_, json) => {
    const server = new FakeServer();
    const { client } = await withLog(server, new FakeClock());
    const untyped: Parameters<typeof client.talk> = JSON.parse(json);
    expect((await caught(client.talk(...untyped)))?.code).toBe("INVALID_BODY");
    await client.talk("ann", "after").done;
    expect(talks(server).map(({ body }) => body)).toEqual(["after"]);
  });

  test.each([
    ["no destination", "", "hi", "NO_DESTINATION"],
    ["an illegal destination", "a b", "hi", "INVALID_BODY"],
    ["a body over the limit", "ann", "x".repeat(TEXT.body + 1), "INVALID_BODY"],
  ])("fails at once for %s", async (_why, dest, body, code) => {
    const server = new FakeServer();
    const { client, sent } = await withLog(server, new FakeClock());
    const message = client.talk(dest, body);
    expect(message).toMatchObject({ state: "failed", error: { code } });
    expect(sent).toEqual([]);
    await settle();
    expect(sent).toHaveLength(1);
    expect(talks(server)).toEqual([]);
  });

  test("a body of as many code points as allowed goes through, also outside the basic plane", async () => {
    const server = new FakeServer();
    const { client } = await withLog(server, new FakeClock());
    await client.talk("ann", "😀".repeat(TEXT.body)).done;
  });

  test.each([
    ["markup", `<script>alert(1)</script><img src=x onerror="alert(1)">&amp;`],
    ["right-to-left marks and other controls", "\u202Egnp.exe\u2066\u200F\u0000\r\n\u0007\uFEFF"],
    ["5,000 emoji", "👩‍🚀".repeat(1_000) + "🙂".repeat(2_000)],
    ["the notation of other contents", `{"__proto__":{"a":1}}\\u0000\${x}`],
  ])("%s goes through unchanged, both ways", async (_, body) => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await onlineClient(server, clock);
    const ann = await onlineClient(server, clock, { token: "ann" });
    await client.talk("ann", body, { extra: body.slice(0, 40) }).done;
    await settle();
    expect(ann.received.map((message) => [message.body, message.extra])).toEqual([[body, body.slice(0, 40)]]);
  });

  test("fails with QUOTA when too many wait, and takes more when there is room again", async () => {
    const server = new FakeServer();
    const { client } = fakeClient(server, new FakeClock(), { waiting: 3 });
    const messages = [1, 2, 3, 4].map((n) => client.talk("ann", String(n)));
    expect(messages.map(({ state }) => state)).toEqual(["sending", "sending", "sending", "failed"]);
    expect((await caught(messages[3]!))?.code).toBe("QUOTA");
    await client.login();
    await messages[2]!.done;
    await client.talk("ann", "5").done;
    expect(talks(server).map(({ body }) => body)).toEqual(["1", "2", "3", "5"]);
  });

  test("a failure that nobody waits for is no unhandled rejection", async () => {
    const server = new FakeServer();
    const { client } = await withLog(server, new FakeClock());
    client.talk("", "nobody looks");
    await new Promise((resolve) => setTimeout(resolve, 5));
  });
});

describe("order", () => {
  test("one request per destination is in flight, others go in parallel", async () => {
    const server = new FakeServer();
    const { client } = await withLog(server, new FakeClock());
    server.answer = ({ header }) => header.dest === "ann" ? "silence" : undefined;
    for (const body of ["a1", "a2", "a3"]) client.talk("ann", body);
    for (const body of ["e1", "e2", "e3"]) client.talk("eve", body);
    await settle();
    expect(talks(server).map(({ body }) => body)).toEqual(["a1", "e1", "e2", "e3"]);
  });

  test("no more than 64 requests are in flight", async () => {
    const server = new FakeServer();
    const { client } = await withLog(server, new FakeClock());
    server.answer = () => "silence";
    for (let i = 0; i < 100; i++) client.talk(`u${i}`, "hi");
    await settle();
    expect(talks(server)).toHaveLength(64);
  });

  test("what was said before the login leaves in the order it was said", async () => {
    const server = new FakeServer();
    const { client } = fakeClient(server, new FakeClock());
    const last = ["1", "2", "3"].map((body) => client.talk("ann", body)).at(-1)!;
    await client.login();
    await last.done;
    expect(server.inbox("ann").map(({ body }) => body)).toEqual(["1", "2", "3"]);
  });
});
