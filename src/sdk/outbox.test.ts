import { describe, expect, test } from "bun:test";
import { type ErrorCode, ImError } from "../base/errors.ts";
import { FakeClock } from "../base/fake_clock.ts";
import { pkt } from "../protocol/gen/pkt.js";
import { STATUS } from "../protocol/status.ts";
import { USER_TALK } from "./commands.ts";
import { fakeClient, FakeServer, settle } from "./fake_server.ts";
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

async function pass(clock: FakeClock, ms: number, step = 250): Promise<void> {
  for (let at = 0; at < ms; at += step) {
    clock.advance(step);
    await settle();
  }
}

describe("when things go wrong", () => {
  test("a lost connection: the same id is sent again after the next login, and stored once", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client, sent } = await withLog(server, clock);
    server.answer = ({ header }, channel) => {
      if (header.command === USER_TALK) channel.cut();
      return header.command === USER_TALK ? "silence" : undefined;
    };
    const message = client.talk("ann", "hi");
    client.talk("ann", "second");
    await settle();
    expect(message.state).toBe("sending");
    server.answer = () => undefined;
    clock.advance(500);
    await settle();
    expect(sent).toEqual(["hi durable", "second durable"]);
    expect(talks(server).map(({ clientMsgId }) => clientMsgId).slice(0, 2)).toEqual([message.id, message.id]);
    expect(server.inbox("ann").map(({ body }) => body)).toEqual(["hi", "second"]);
  });

  test("a lost answer: our own message in the inbox settles it and is not handed over", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.say("ann", "bob", "0");
    const { client, sent, bodies } = await withLog(server, clock);
    server.answer = ({ header, body }, channel) => {
      if (header.command !== USER_TALK) return undefined;
      const request = server.asked(USER_TALK, pkt.MessageReq).at(-1)!;
      expect(body.length).toBeGreaterThan(0);
      server.say("bob", header.dest, request.body, request, channel);
      channel.cut();
      return "silence";
    };
    const message = client.talk("ann", "hi");
    await settle();
    server.answer = ({ header }) => header.command === USER_TALK ? "silence" : undefined;
    await pass(clock, 1_000);
    expect(await message.done).toMatchObject({ seq: 2 });
    expect(sent).toEqual(["hi durable"]);
    server.answer = () => undefined;
    await pass(clock, 9_000); // the second attempt is never answered
    await client.talk("ann", "next").done;
    server.say("ann", "bob", "end");
    await settle();
    expect(bodies()).toEqual(["0", "end"]);
  });

  test("no answer within 8 s: the connection is given up and the same id sent again", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await withLog(server, clock);
    server.answer = ({ header }) => header.command === USER_TALK ? "silence" : undefined;
    const message = client.talk("ann", "hi");
    await settle();
    clock.advance(7_999);
    await settle();
    expect(client.state).toBe("online");
    clock.advance(1);
    expect(client.state).toBe("offline");
    server.answer = () => undefined;
    await pass(clock, 500);
    expect(message.state).toBe("durable");
    expect(server.inbox("ann")).toHaveLength(1);
  });

  test("a status of 404 logs in again and sends the same id again", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await withLog(server, clock);
    let lost = true;
    server.answer = ({ header }) => header.command === USER_TALK && lost ? 404 : undefined;
    const message = client.talk("ann", "hi");
    await settle();
    expect(client.state).toBe("offline");
    lost = false;
    await pass(clock, 500);
    expect(message.state).toBe("durable");
    expect(server.dialled).toHaveLength(2);
  });

  test("refused for now: tried again with growing pauses, and nothing to that destination overtakes", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await withLog(server, clock);
    let refusals = 3;
    server.answer = ({ header }) =>
      header.command === USER_TALK && header.dest === "ann" && refusals-- > 0 ? 302 : undefined;
    const first = client.talk("ann", "1");
    client.talk("ann", "2");
    await client.talk("eve", "other").done;
    for (const ms of [250, 500, 1_000]) {
      await settle();
      expect(first.state).toBe("sending");
      clock.advance(ms);
    }
    await settle();
    expect(server.inbox("ann").map(({ body }) => body)).toEqual(["1", "2"]);
    expect(talks(server)).toHaveLength(6);
  });

  test("refused for four minutes: it fails, and the next is tried", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await withLog(server, clock);
    server.answer = ({ header }) => header.command === USER_TALK ? 300 : undefined;
    const first = client.talk("ann", "1");
    await pass(clock, 239_000, 1_000);
    expect(first.state).toBe("sending");
    const second = client.talk("ann", "2");
    await pass(clock, 16_000, 1_000);
    expect((await caught(first))?.code).toBe("SYSTEM");
    server.answer = () => undefined;
    await pass(clock, 15_000, 1_000);
    expect(second.state).toBe("durable");
  });

  const refusals = Object.entries(STATUS).filter(([name]) => name !== "SUCCESS" && name !== "SESSION_LOST");
  test.each(refusals.map(([name, row]) => [name as ErrorCode, row.wire, row.retry] as const))(
    "status %s (%d) retries: its row decides",
    async (name, wire, retry) => {
      const server = new FakeServer();
      const clock = new FakeClock();
      const { client } = await withLog(server, clock);
      let once = true;
      server.answer = ({ header }) => {
        if (header.command !== USER_TALK || !once) return undefined;
        once = false;
        return wire;
      };
      const message = client.talk("ann", "1");
      await pass(clock, 500);
      expect(message.state).toBe(retry ? "durable" : "failed");
      expect(message.error?.code).toBe(retry ? undefined : name);
      expect(client.state).toBe("online");
    },
  );

  test("a status this client does not know counts as its class does", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await withLog(server, clock);
    const answers = [199, 399];
    server.answer = ({ header }) => header.command === USER_TALK ? answers.shift() : undefined;
    const [one, two] = [client.talk("ann", "1"), client.talk("ann", "2")];
    await pass(clock, 500);
    expect(one.error?.code).toBe("INVALID_BODY");
    expect(two.state).toBe("durable");
  });

  test("closing fails what waits", async () => {
    const server = new FakeServer();
    const { client, sent } = await withLog(server, new FakeClock());
    server.answer = () => "silence";
    const messages = [client.talk("ann", "1"), client.talk("ann", "2")];
    await client.close();
    expect((await caught(messages[0]!))?.code).toBe("CLOSED");
    expect(sent).toEqual(["1 failed", "2 failed"]);
    expect((await caught(client.talk("ann", "3")))?.code).toBe("CLOSED");
  });
});
