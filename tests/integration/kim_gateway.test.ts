import { expect, test } from "bun:test";
import * as runtime from "#runtime";
import { systemClock } from "../../src/base/clock.ts";
import { silent } from "../../src/base/logger.ts";
import { Metrics } from "../../src/base/metrics.ts";
import { LinkServer } from "../../src/container/tcp/link_server.ts";
import { LogicStand } from "../support/logic_stand.ts";
import { downMetas, packetHex, ScriptedPeer, upMetas, vectorHex, vectorWith } from "../support/scripted_peer.ts";
import { decodePlain, type Plain } from "../vectors/reflect.ts";

// A KIM gateway, played by a script that knows only the protocol, linked over TCP to a logic server of ours.

/** A logic server that listens for links. Groups of more than two are large. */
class Chat implements AsyncDisposable {
  readonly stand: LogicStand;
  readonly port: number;
  readonly links: LinkServer;

  static async start(): Promise<Chat> {
    const stand = await LogicStand.start();
    const clock = systemClock;
    const links = new LinkServer({ serviceId: "chat01" }, {
      clock,
      log: silent,
      metrics: new Metrics(),
      logic: stand.logic,
      sign: runtime.hmacSha256("a cluster secret that KIM has not"),
      isKimPeer: (ip) => ip === "127.0.0.1",
    });
    const listening = await runtime.listenTcp({ hostname: "127.0.0.1", port: 0 }, links.accept);
    links.listening(listening);
    return new Chat(stand, links, listening.port);
  }

  private constructor(stand: LogicStand, links: LinkServer, port: number) {
    this.stand = stand;
    this.links = links;
    this.port = port;
  }

  /** A KIM gateway, linked: its handshake is sent, and there is no answer to it. */
  async gateway(id: string): Promise<ScriptedPeer> {
    const peer = await ScriptedPeer.connect(this.port);
    peer.send(id === "gate01" ? vectorHex("tcp-inner-handshake") : `0a06${new TextEncoder().encode(id).toHex()}`);
    return peer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.links.stop();
    await this.stand[Symbol.asyncDispose]();
  }
}

/** Logs an account in at a gateway of KIM's; gives its channel. */
async function login(gateway: ScriptedPeer, gate: string, account: string, n: number): Promise<string> {
  const channel = `${gate}_${account}_${n}`;
  const texts = { gate01: gate, test1: account, gate01_test1_2: channel };
  gateway.send(vectorWith("login-forwarded-gateway-to-chat", texts));
  expect(await gateway.next()).toBe(vectorWith("login-response-chat-to-gateway", texts));
  return channel;
}

/** The body of the packet, which must have exactly this header. */
function bodyOf(hex: string, header: Plain, type: string): Plain {
  const bare = packetHex(header);
  const start = bare.length;
  expect(hex.slice(0, start - 8)).toBe(bare.slice(0, -8));
  return decodePlain(type, Uint8Array.fromHex(hex.slice(start)));
}

test("a login is answered with exactly KIM's bytes, and pings with pongs", async () => {
  await using chat = await Chat.start();
  await using gate = await chat.gateway("gate01");
  gate.send(vectorHex("login-forwarded-gateway-to-chat"));
  expect(await gate.next()).toBe(vectorHex("login-response-chat-to-gateway"));
  gate.frame(9);
  await gate.until(() => gate.pongs === 1);
  expect([gate.frames, gate.pings]).toEqual([[], 0]);
});

test("users of two KIM gateways talk, page what they missed, acknowledge, and are signed out", async () => {
  await using chat = await Chat.start();
  await using one = await chat.gateway("gate01");
  await using two = await chat.gateway("gate02");
  const test1 = await login(one, "gate01", "test1", 2);
  const test2 = await login(two, "gate02", "test2", 5);

  one.send(vectorHex("user-talk-request-forwarded"));
  const header = { command: "chat.user.talk", channelId: test1, sequence: 3, dest: "test2" };
  const answered = await one.next();
  const answer = bodyOf(answered, { ...header, flag: 1, meta: downMetas(test1, "gate01") }, "MessageResp");
  const { messageId, sendTime } = answer;
  // The whole packet is what another encoder writes: nothing of ours is in it.
  const response = { messageId: String(messageId), sendTime: String(sendTime) };
  expect(answered).toBe(packetHex({ ...header, flag: 1, meta: downMetas(test1, "gate01") }, "MessageResp", response));
  const message = { messageId: String(messageId), type: 1, body: "hello", sender: "test1", sendTime: String(sendTime) };
  expect(await two.next()).toBe(
    packetHex({ ...header, flag: 2, meta: downMetas(test2, "gate02") }, "MessagePush", message),
  );

  const ask = { channelId: test2, meta: upMetas("test2", "gate02") };
  const told = { channelId: test2, flag: 1, meta: downMetas(test2, "gate02") };
  two.send(packetHex({ command: "chat.offline.index", sequence: 7, ...ask }, "MessageIndexReq", {}));
  const row = { messageId: String(messageId), sendTime: String(sendTime), accountB: "test1" };
  expect(await two.next()).toBe(
    packetHex({ command: "chat.offline.index", sequence: 7, ...told }, "MessageIndexResp", { indexes: [row] }),
  );
  const ids = { message_ids: [String(messageId)] };
  two.send(packetHex({ command: "chat.offline.content", sequence: 8, ...ask }, "MessageContentReq", ids));
  const contents = [{ messageId: String(messageId), type: 1, body: "hello" }];
  expect(await two.next()).toBe(
    packetHex({ command: "chat.offline.content", sequence: 8, ...told }, "MessageContentResp", { contents }),
  );
  two.send(packetHex({ command: "chat.talk.ack", sequence: 9, ...ask }, "MessageAckReq", {
    messageId: String(messageId),
  }));
  expect(await two.next()).toBe(packetHex({ command: "chat.talk.ack", sequence: 9, ...told }));
  two.send(packetHex({ command: "chat.offline.index", sequence: 10, ...ask }, "MessageIndexReq", {}));
  expect(await two.next()).toBe(packetHex({ command: "chat.offline.index", sequence: 10, ...told }));

  two.send(vectorWith("signout-forwarded-gateway-to-chat", { gate01: "gate02", gate01_test1_2: test2 }));
  await two.next();
  expect(await chat.stand.sessions.locate("kim", ["test2"])).toEqual([]);
});

test("a second login puts the first one out, over the gateway it is at", async () => {
  await using chat = await Chat.start();
  await using one = await chat.gateway("gate01");
  await using two = await chat.gateway("gate02");
  const first = await login(one, "gate01", "test1", 2);
  const second = "gate02_test1_9";
  const texts = { gate01: "gate02", gate01_test1_2: second };
  two.send(vectorWith("login-forwarded-gateway-to-chat", texts));
  expect(await two.next()).toBe(vectorWith("login-response-chat-to-gateway", texts));
  const header = { command: "login.signin", channelId: second, sequence: 1, flag: 2, meta: downMetas(first, "gate01") };
  expect(await one.next()).toBe(packetHex(header, "KickoutNotify", { channelId: first }));
});

test("a group that is large reaches its members at KIM gateways too, each once and in order", async () => {
  await using chat = await Chat.start();
  await using one = await chat.gateway("gate01");
  await using two = await chat.gateway("gate02");
  const owner = await login(one, "gate01", "test1", 2);
  const members = [await login(two, "gate02", "test2", 5), await login(two, "gate02", "test3", 6)];
  const ask = { channelId: owner, meta: upMetas("test1", "gate01") };
  const names = ["test2", "test3", "test4"];
  one.send(packetHex({ command: "chat.group.create", sequence: 3, ...ask }, "GroupCreateReq", {
    name: "boat",
    members: names,
  }));
  const told = { channelId: owner, flag: 1, meta: downMetas(owner, "gate01") };
  const made = bodyOf(await one.next(), { command: "chat.group.create", sequence: 3, ...told }, "GroupCreateResp");
  const dest = String(made["groupId"]);
  const notice = { group_id: dest, members: ["test1", ...names] };
  const both = downMetas(members.join(), "gate02");
  expect(await two.next()).toBe(
    packetHex(
      { command: "chat.group.create", channelId: owner, sequence: 3, flag: 2, meta: both },
      "GroupCreateNotify",
      notice,
    ),
  );
  for (let n = 10; n < 30; n++) {
    const body = { type: 1, body: `hello ${n}` };
    one.send(packetHex({ command: "chat.group.talk", sequence: n, dest, ...ask }, "MessageReq", body));
  }
  for (let n = 10; n < 30; n++) {
    const header = { command: "chat.group.talk", channelId: owner, sequence: n, flag: 2, dest, meta: both };
    const { messageId, sendTime } = bodyOf(await one.next(), {
      command: "chat.group.talk",
      channelId: owner,
      sequence: n,
      flag: 1,
      dest,
      meta: downMetas(owner, "gate01"),
    }, "MessageResp");
    const message = { type: 1, body: `hello ${n}`, sender: "test1" };
    const numbers = { messageId: String(messageId), sendTime: String(sendTime) };
    expect(await two.next()).toBe(packetHex(header, "MessagePush", { ...message, ...numbers }));
  }
});

test("what a client of a KIM gateway wrote about itself is not believed", async () => {
  await using chat = await Chat.start();
  await using gate = await chat.gateway("gate01");
  const test1 = await login(gate, "gate01", "test1", 2);
  const claimed = [
    { key: "account", value: "victim", type: 1 },
    { key: "app", value: "other", type: 1 },
    { key: "dest.server", value: "gate09", type: 1 },
    { key: "im.caps", value: "1", type: 1 },
  ];
  gate.send(packetHex(
    {
      command: "chat.user.talk",
      channelId: test1,
      sequence: 3,
      flag: 2,
      status: 404,
      dest: "test1",
      meta: [...claimed, ...upMetas("test1", "gate01")],
    },
    "MessageReq",
    { type: 1, body: "note" },
  ));
  const header = { command: "chat.user.talk", channelId: test1, sequence: 3, flag: 1, dest: "test1" };
  const body = bodyOf(await gate.next(), { ...header, meta: downMetas(test1, "gate01") }, "MessageResp");
  expect([body["seq"], body["userSeq"]]).toEqual([0, 0]);
  const { rows } = await chat.stand.store.entries("kim", "test1", { after: 0, limit: 10 });
  expect(rows.map((one) => one.peer)).toEqual(["test1"]);
});
