import { createHmac } from "node:crypto";
import { expect, test } from "bun:test";
import * as runtime from "#runtime";
import { systemClock } from "../../src/base/clock.ts";
import { silent } from "../../src/base/logger.ts";
import { Metrics } from "../../src/base/metrics.ts";
import { LinkClient } from "../../src/container/tcp/link_client.ts";
import { decodeBody, encodeBody } from "../../src/protocol/bodies.ts";
import { makeToken } from "../../src/protocol/claims.ts";
import * as pkt from "../../src/protocol/gen/pkt_messages.ts";
import { META, textMeta } from "../../src/protocol/meta.ts";
import { GATEWAY_DEFAULTS } from "../../src/services/gateway/config.ts";
import { Gateway } from "../../src/services/gateway/gateway.ts";
import { OldClient } from "../support/old_client.ts";
import {
  downMetas,
  packetHex,
  ScriptedListener,
  type ScriptedPeer,
  upMetas,
  vectorHex,
  vectorWith,
} from "../support/scripted_peer.ts";
import { decodePlain, type Plain } from "../vectors/reflect.ts";

// A KIM chat server, played by a script that knows only the protocol, behind a gateway of ours with old clients.

/** A gateway that is linked to chat servers of KIM's. */
class Front implements AsyncDisposable {
  readonly hmac = (data: Uint8Array) => new Uint8Array(createHmac("sha256", "secret").update(data).digest());
  readonly metrics = new Metrics();
  readonly gateway = new Gateway(
    { ...GATEWAY_DEFAULTS, serviceId: "gate01", incarnation: "7", messageRate: 0 },
    { clock: systemClock, log: silent, metrics: this.metrics, hmac: this.hmac },
  );
  readonly links: LinkClient[] = [];
  readonly clients: OldClient[] = [];

  /** The script's end of a new link to a chat server, after the handshake. */
  async link(listener: ScriptedListener, logicId = "chat01"): Promise<ScriptedPeer> {
    const link = new LinkClient({
      gateId: "gate01",
      incarnation: "7",
      logicId,
      url: `tcp://127.0.0.1:${listener.port}`,
      peer: "kim",
    }, { clock: systemClock, log: silent, dial: runtime.dial, random: Math.random, gateway: this.gateway });
    this.links.push(link);
    link.start();
    const peer = await listener.peer(0);
    expect(await peer.next()).toBe(vectorHex("tcp-inner-handshake"));
    return peer;
  }

  client(): OldClient {
    const client = new OldClient(this.gateway);
    this.clients.push(client);
    return client;
  }

  token(account: string): string {
    return makeToken({ acc: account, app: "kim", exp: Date.now() / 1000 + 3600 }, this.hmac);
  }

  /** An account that is logged in: its client, and its channel. */
  async login(chat: ScriptedPeer, account: string): Promise<{ client: OldClient; channel: string }> {
    const client = this.client();
    const answered = client.login(this.token(account));
    const forwarded = await chat.next();
    const channel = String(decodePlain("Session", bodyOf(forwarded))["channelId"]);
    const texts = { test1: account, gate01_test1_2: channel };
    expect(forwarded).toBe(vectorWith("login-forwarded-gateway-to-chat", texts));
    chat.send(vectorWith("login-response-chat-to-gateway", texts));
    expect(await answered).toBe(0);
    return { client, channel };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.clients) client.cut();
    await Promise.all(this.links.map((link) => link.stop()));
    this.gateway[Symbol.dispose]();
  }
}

function bodyOf(hex: string): Uint8Array {
  const header = Number.parseInt(hex.slice(8, 16), 16);
  return Uint8Array.fromHex(hex.slice(24 + 2 * header));
}

const numbers = (n: number): Plain => ({
  messageId: String(9007199254740990n + BigInt(n)),
  sendTime: `16286448438726550${n}`,
});

test("an old client logs in, talks, is pushed to, pages, acknowledges and leaves; the chat server sees KIM's bytes", async () => {
  await using listener = await ScriptedListener.start();
  await using front = new Front();
  const chat = await front.link(listener);
  const { client, channel } = await front.login(chat, "test1");
  const asked = { channelId: channel, meta: upMetas("test1", "gate01") };
  const told = { channelId: channel, flag: 1, meta: downMetas(channel, "gate01") };

  const talked = client.talk("test2", "hello");
  // The client's second request; the vector's is its third.
  expect(await chat.next()).toBe(
    packetHex({ command: "chat.user.talk", sequence: 2, dest: "test2", ...asked }, "MessageReq", {
      type: 1,
      body: "hello",
    }),
  );
  chat.send(packetHex({ command: "chat.user.talk", sequence: 2, dest: "test2", ...told }, "MessageResp", numbers(10)));
  expect(await talked).toEqual({ status: 0, messageId: 9007199254741000n });

  const push = { command: "chat.user.talk", channelId: "gate02_test2_5", sequence: 9, flag: 2, dest: "test1" };
  const message = { ...numbers(11), type: 1, body: "hi", sender: "test2" };
  chat.send(packetHex({ ...push, meta: downMetas(`${channel},gate01_gone_4`, "gate01") }, "MessagePush", message));
  // Its chat servers name a second gateway behind the first: such packets are dropped, the link stays.
  const foreign = [...downMetas("x", "gate02"), ...downMetas(channel, "gate01")];
  chat.send(packetHex({ ...push, meta: foreign }, "MessagePush", { ...message, ...numbers(12) }));
  await chat.until(() => client.seen.length === 1);
  expect(client.seen).toEqual([9007199254741001n]);

  const indexed = client.index();
  expect(await chat.next()).toBe(packetHex({ command: "chat.offline.index", sequence: 3, ...asked }));
  const row = { ...numbers(8), accountB: "test2" };
  chat.send(packetHex({ command: "chat.offline.index", sequence: 3, ...told }, "MessageIndexResp", { indexes: [row] }));
  expect(await chat.next()).toBe(
    packetHex({ command: "chat.offline.index", sequence: 4, ...asked }, "MessageIndexReq", {
      message_id: numbers(8)["messageId"],
    }),
  );
  // While it pages it is pushed to, as by KIM's gateway.
  chat.send(
    packetHex({ ...push, meta: downMetas(channel, "gate01") }, "MessagePush", { ...message, ...numbers(13) }),
  );
  chat.send(packetHex({ command: "chat.offline.index", sequence: 4, ...told }));
  await indexed;
  expect(client.seen).toEqual([9007199254741001n, 9007199254740998n, 9007199254741003n]);

  const acked = client.ack(9007199254741003n);
  expect(await chat.next()).toBe(
    packetHex({ command: "chat.talk.ack", sequence: 5, ...asked }, "MessageAckReq", { messageId: "9007199254741003" }),
  );
  chat.send(packetHex({ command: "chat.talk.ack", sequence: 5, ...told }));
  expect((await acked).header.status).toBe(0);

  const failed = client.request("chat.group.detail");
  await chat.next();
  chat.send(
    packetHex({ command: "chat.group.detail", sequence: 6, status: 300, ...told }, "ErrorResp", { message: "x" }),
  );
  expect((await failed).header.status).toBe(300);

  client.cut();
  const meta = [{ key: "dest.server", value: "gate01", type: 1 }];
  expect(await chat.next()).toBe(packetHex({ command: "login.signout", channelId: channel, meta }));
  expect(front.gateway.size).toBe(0);
  // Nothing else was ever asked: no heads, no fills, no receipts.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect([chat.frames, chat.ended]).toEqual([[], false]);
});

test("an index that KIM's chat server refuses is the client's affair: it stays connected", async () => {
  await using listener = await ScriptedListener.start();
  await using front = new Front();
  const chat = await front.link(listener);
  const { client, channel } = await front.login(chat, "test1");
  const indexed = client.index();
  await chat.next();
  const header = { command: "chat.offline.index", channelId: channel, sequence: 2, flag: 1, status: 300 };
  chat.send(packetHex({ ...header, meta: downMetas(channel, "gate01") }));
  await indexed;
  expect([client.closed, front.gateway.size]).toEqual([undefined, 1]);
});

test("groups and kick-outs pass", async () => {
  await using listener = await ScriptedListener.start();
  await using front = new Front();
  const chat = await front.link(listener);
  const { client, channel } = await front.login(chat, "test1");
  const made = client.request(
    "chat.group.create",
    encodeBody(pkt.GroupCreateReq, { name: "boat", owner: "test1", members: ["test2"] }),
  );
  await chat.next();
  const told = { channelId: channel, flag: 1, meta: downMetas(channel, "gate01") };
  chat.send(packetHex({ command: "chat.group.create", sequence: 2, ...told }, "GroupCreateResp", {
    group_id: "g4wmc1q1j01s",
  }));
  expect(decodeBody(pkt.GroupCreateResp, (await made).body).groupId).toBe("g4wmc1q1j01s");
  const kickout = { command: "login.signin", channelId: "gate02_test1_9", sequence: 1, flag: 2 };
  chat.send(packetHex({ ...kickout, meta: downMetas(channel, "gate01") }, "KickoutNotify", { channelId: channel }));
  await client.kicked.promise;
  expect((await client.request("chat.talk.ack")).header.status).toBe(105);
});

test("a client with other bodies than protobuf is refused with a status that says so", async () => {
  await using listener = await ScriptedListener.start();
  await using front = new Front();
  const chat = await front.link(listener);
  const meta = [textMeta(META.CAPS, "1"), textMeta(META.CONTENT, "json")];
  const client = front.client();
  const token = new TextEncoder().encode(JSON.stringify({ token: front.token("test1") }));
  expect(await client.loginWith(token, { meta })).toBe(101);
  expect(chat.frames).toEqual([]);
});

test("when the chat server goes, nothing is forwarded twice: KIM's would store it twice", async () => {
  await using listener = await ScriptedListener.start();
  await using front = new Front();
  const chat = await front.link(listener);
  const { client } = await front.login(chat, "test1");
  void client.talk("test2", "once");
  await chat.next();
  chat.close();
  const again = await listener.peer(1);
  expect(await again.next()).toBe(vectorHex("tcp-inner-handshake"));
  const later = client.talk("test2", "next");
  const next = await again.next();
  expect(decodePlain("MessageReq", bodyOf(next))["body"]).toBe("next");
  const channel = [...front.gateway.channels()][0]!.id;
  const header = { command: "chat.user.talk", channelId: channel, sequence: 3, flag: 1, dest: "test2" };
  again.send(packetHex({ ...header, meta: downMetas(channel, "gate01") }, "MessageResp", numbers(10)));
  expect((await later).status).toBe(0);
  expect(again.frames).toEqual([]);
  expect(front.metrics.read("petrel_reforwarded_total")).toBe(0);
});
