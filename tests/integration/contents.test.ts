import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { encodePacket } from "../../src/load/packet.ts";
import { WireClient } from "../../src/load/wire_client.ts";
import { CONTENTS, Speaker, type Spoken } from "../support/speaker.ts";
import { LocalSystem, type Transport, TRANSPORTS } from "./system_local.ts";

const EVERY = TRANSPORTS.flatMap((on) => CONTENTS.map((content) => [content, on] as const));

describe("what a client chose is what it is sent", () => {
  let local: LocalSystem;
  beforeAll(async () => {
    local = await LocalSystem.start();
  });
  afterAll(() => local[Symbol.asyncDispose]());

  const login = (on: Transport, content: Spoken, account: string, device = "", caps = true) =>
    Speaker.login(local[on], content, { token: local.token(account) }, device, caps);

  test.each(TRANSPORTS)("three devices of one account, each in its own content, on %s", async (on) => {
    const [ann, bob] = [local.name("ann"), local.name("bob")];
    const anns = await Promise.all(CONTENTS.map((content) => login(on, content, ann, content)));
    const bobs = await Promise.all(CONTENTS.map((content) => login(on, content, bob, content)));
    for (const one of [...anns, ...bobs]) expect(one.answer).toMatchObject({ status: 0, reason: "no cursor" });
    for (const [i, from] of anns.entries()) {
      const request = { type: 1, body: `from ${from.content} 你好 😀`, extra: "{}", clientMsgId: `${ann}-${i}` };
      const answer = await from.ask("chat.user.talk", ["MessageReq", request], "MessageResp", bob);
      expect(answer).toMatchObject({ status: 0, seq: i + 1, userSeq: i + 1 });
      const others = [...bobs, ...anns.filter((one) => one !== from)];
      await Promise.all(others.map((one) => one.wire.until(() => one.talks.some(({ seq }) => seq === i + 1))));
      for (const one of others) {
        const { messageId, sendTime, ...push } = one.talks.find(({ seq }) => seq === i + 1)!;
        expect(push).toEqual({ ...request, sender: ann, seq: i + 1 });
        expect([`${messageId}`, `${sendTime}`]).toEqual([`${answer["messageId"]}`, `${answer["sendTime"]}`]);
        expect(typeof messageId).toBe(one.content === "json" ? "string" : "bigint");
      }
    }
    for (const one of [...anns, ...bobs]) one.wire.close();
  });

  test.each(EVERY)(
    "%s on %s: who comes back is sent what it missed, also its own, in that content",
    async (content, on) => {
      const [ann, bob] = [local.name("ann"), local.name("bob")];
      const other = await login("ws", "protobuf", bob);
      await other.ask("chat.user.talk", ["MessageReq", { body: "the first" }], "MessageResp", ann); // names her log
      const first = await login(on, content, ann, "phone");
      const { epoch } = first.answer;
      first.wire.close();
      await first.wire.ended;
      const desk = await login("ws", "protobuf", ann, "desk");
      await other.ask("chat.user.talk", ["MessageReq", { body: "to her" }], "MessageResp", ann);
      await desk.ask("chat.user.talk", ["MessageReq", { body: "her own" }], "MessageResp", bob);
      const resume = { token: local.token(ann), cursor: 1, epoch };
      const again = await Speaker.login(local[on], content, resume, "phone");
      expect(again.answer).toMatchObject({ status: 0, recovered: true, head: 3 });
      await again.wire.until(() => again.talks.length === 2);
      expect(again.talks.map(({ body, sender }) => [body, sender])).toEqual([["to her", bob], ["her own", ann]]);
      const page = await again.ask("chat.sync", ["SyncReq", { after: 2 }], "SyncResp");
      expect(page).toMatchObject({ status: 0, head: 3, messages: [{ body: "her own", dest: bob, userSeq: 3 }] });
      for (const one of [other, desk, again]) one.wire.close();
    },
  );

  test.each(EVERY)(
    "%s on %s: an old client pages its index to the empty page, then is pushed to",
    async (content, on) => {
      const [ann, bob] = [local.name("ann"), local.name("bob")];
      const other = await login("ws", "protobuf", bob);
      const sent = await other.ask("chat.user.talk", ["MessageReq", { body: "while away" }], "MessageResp", ann);
      const old = await login(on, content, ann, "", false);
      expect(old.answer).toEqual({ status: 0, channelId: old.answer["channelId"], account: ann });
      const index = (messageId: unknown) =>
        old.ask("chat.offline.index", ["MessageIndexReq", { messageId }], "MessageIndexResp");
      const { indexes } = await index(content === "json" ? "0" : 0n) as { indexes: { messageId: unknown }[] };
      expect(indexes.map(({ messageId }) => `${messageId}`)).toEqual([`${sent["messageId"]}`]);
      expect(await index(indexes[0]!.messageId)).toEqual({ status: 0 });
      await other.ask("chat.user.talk", ["MessageReq", { body: "live" }], "MessageResp", ann);
      await old.wire.until(() => old.talks.length > 0, 2_000); // the pushes flow from the empty page on, not after 3 s
      expect(old.talks.map(({ body }) => body)).toEqual(["live"]);
      for (const one of [other, old]) one.wire.close();
    },
  );

  test.each(EVERY)("%s on %s: refusals and kick-outs are in that content too", async (content, on) => {
    const ann = local.name("ann");
    const one = await login(on, content, ann);
    const answer = await one.ask("chat.user.talk", ["MessageReq", { body: "x".repeat(5_001) }], "MessageResp", "bob");
    expect(answer).toEqual({ status: 101, message: "Cannot talk: body is longer than 5000 characters" });
    expect(await one.ask("chat.nothing", ["MessageReq", {}], "ErrorResp")).toMatchObject({ status: 301 });
    expect(await one.ask("im.fill", ["MessageReq", {}], "ErrorResp")).toMatchObject({ status: 301 });
    expect(await one.ask("login.signin", ["LoginReq", {}], "ErrorResp")).toEqual({
      status: 103,
      message: "Cannot log in twice",
    });
    const two = await login("ws", "protobuf", ann);
    await one.wire.until(() => one.kicks.length > 0);
    expect(one.kicks).toEqual([{ channelId: one.answer["channelId"]! }]);
    two.wire.close();
    one.wire.close();
  });

  test.each(["json", "msgpack"] as const)(
    "%s: a body of the wrong type is 101 with the field's name",
    async (content) => {
      const one = await login("ws", content, local.name("ann"));
      expect(await one.ask("chat.talk.ack", ["x", { messageId: true }], "")).toEqual({
        status: 101,
        message: "Cannot read MessageAckReq: messageId is no int64",
      });
      const { status } = await one.wire.request("chat.sync", Uint8Array.of(0xc1, 0x7b));
      expect(status).toBe(101);
      expect(await one.ask("chat.sync", ["x", { up_to: 1, unknown: [null] }], "SyncResp")).toMatchObject({ status: 0 });
      one.wire.close();
    },
  );

  test.each(EVERY.filter(([content]) => content !== "protobuf"))(
    "%s on %s: a login that does not parse is 101, in that content",
    async (content, on) => {
      const one = await Speaker.login(local[on], content, { token: 5 });
      expect(one.answer).toEqual({ status: 101, message: "Cannot read LoginReq: token is not a text" });
      expect(await one.wire.ended).toContain("not a packet");
    },
  );

  test.each(TRANSPORTS)("a content nobody knows is refused with 101 and closed, on %s", async (on) => {
    const wire = await WireClient.open(local[on]);
    const meta = new Map([["im.content", "xml"]]);
    wire.conn.send(encodePacket({ command: "login.signin", sequence: 1, meta }));
    await wire.until(({ pushes }) => pushes.length > 0);
    expect(new Speaker(wire, "protobuf").answer).toEqual({
      status: 101,
      message: "Cannot log in: im.content is none of protobuf, json, msgpack",
    });
    expect(await wire.ended).toContain("not a packet");
  });
});
