// A little over 300 lines: every path of the HTTP API in one table beside the flows.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { ImStore } from "../../src/message/message_store.ts";
import { openSqliteStore } from "../../src/message/sqlite.ts";
import { ImError } from "../../src/base/errors.ts";
import { signed, testApp } from "../support/royal_stand.ts";
import { tempDir } from "../support/temp.ts";

const PEER = { remoteIp: "10.0.0.9" };
const PROTOBUF = "application/x-protobuf", JSON_TYPE = "application/json", MSGPACK = "application/msgpack";
const encoder = new TextEncoder();

/** Bytes of a row of the vectors. */
function vector(file: string, name: string): Uint8Array<ArrayBuffer> {
  const vectors = JSON.parse(readFileSync(new URL(`../vectors/${file}.json`, import.meta.url), "utf8"));
  const row = vectors.find((one: { name: string }) => one.name === name);
  return Uint8Array.from(row.hex.match(/../g), (pair: string) => parseInt(pair, 16));
}

interface Ask {
  readonly method?: string;
  readonly type?: string;
  readonly accept?: string;
  readonly headers?: Record<string, string>;
  readonly from?: { remoteIp: string };
}

/** A store in a folder of its own, and its HTTP API. */
async function stand(over: (store: ImStore) => ImStore = (store) => store) {
  const folder = await tempDir();
  const store = await openSqliteStore({ directory: folder.path, sync: "normal", threads: false, inboxGroup: 3 });
  const app = testApp(over(store), { isPeer: (ip) => ip === PEER.remoteIp });
  const ask = async (path: string, body?: unknown, options: Ask = {}) => {
    const { type = JSON_TYPE, accept, method = body === undefined ? "GET" : "POST", from = PEER } = options;
    const bytes = body instanceof Uint8Array || body === undefined ? body : encoder.encode(JSON.stringify(body));
    const headers = { "content-type": type, ...(accept && { accept }), ...options.headers };
    const init = { method, headers, ...(bytes && { body: Uint8Array.from(bytes) }) };
    const response = await app.request(path, init, from);
    const answer = new Uint8Array(await response.arrayBuffer());
    const text = new TextDecoder().decode(answer);
    const typeOfAnswer = response.headers.get("content-type");
    return {
      status: response.status,
      type: typeOfAnswer,
      answer,
      json: typeOfAnswer?.startsWith(JSON_TYPE) && text !== "" ? JSON.parse(text) : undefined,
    };
  };
  return {
    store,
    app,
    ask,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function bodyOf(store: ImStore, account: string, app = "kim") {
  const { rows } = await store.messages(app, account, { after: 0, limit: 10 });
  return rows.map(({ sender, body, extra, type }) => ({ sender, body, extra, type }));
}

describe("royal's paths of KIM", () => {
  test("a message in the bytes of the vectors is stored, and read back in protobuf", async () => {
    await using at = await stand();
    const stored = await at.ask("/api/kim/message/user", vector("wire", "rpc-insert-message-request"), {
      type: PROTOBUF,
      accept: PROTOBUF,
    });
    expect([stored.status, stored.type]).toEqual([200, PROTOBUF]);
    expect(stored.answer[0]).toBe(0x08); // InsertMessageResp.message_id, a varint
    expect(await bodyOf(at.store, "test2")).toEqual([{ sender: "test1", body: "hello", extra: "x", type: 1 }]);
    expect(await bodyOf(at.store, "test2", "other")).toEqual([]);
    const ack = await at.ask("/api/kim/message/ack", vector("wire", "rpc-ack-request"), { type: PROTOBUF });
    expect([ack.status, ack.answer.length]).toEqual([200, 0]);
    const index = await at.ask("/api/kim/offline/index", vector("wire", "rpc-offline-index-request"), {
      type: PROTOBUF,
      accept: PROTOBUF,
    });
    expect(index.status).toBe(200);
  });

  test("the same request in MessagePack and JSON gives the answer in what was asked for", async () => {
    await using at = await stand();
    const msgpack = await at.ask("/api/kim/message/user", vector("contents", "msgpack-rpc-insert"), {
      type: MSGPACK,
      accept: MSGPACK,
    });
    expect([msgpack.status, msgpack.type, msgpack.answer[0]]).toEqual([200, MSGPACK, 0x81]);
    const json = await at.ask("/api/kim/message/user", vector("contents", "json-rpc-insert"));
    expect([json.status, json.type]).toEqual([200, "application/json; charset=utf-8"]);
    expect(json.json.messageId).toMatch(/^\d{18,19}$/); // decimal text: it is above 2^53
    expect((await bodyOf(at.store, "bob")).map((row) => row.body)).toEqual(["hi", "hi"]);
  });

  test("JSON takes names as declared and in camel case, and numbers as numbers or texts", async () => {
    await using at = await stand();
    for (const name of ["send_time", "sendTime"]) {
      for (const time of [1_628_644_843, "1628644843872655001"]) {
        const body = { sender: "ann", dest: "bob", [name]: time, message: { type: 1, body: "x" } };
        expect((await at.ask("/api/kim/message/user", body)).status).toBe(200);
      }
    }
    const unsafe = '{"sender":"ann","dest":"bob","send_time":1628644843872655001,"message":{"type":1,"body":"x"}}';
    const refused = await at.ask("/api/kim/message/user", encoder.encode(unsafe));
    expect([refused.status, refused.json.code]).toEqual([400, "INVALID_BODY"]);
    expect(refused.json.message).toContain("sendTime");
  });

  test("a group is made, read, joined, left and talked to; its messages are in its members' index", async () => {
    await using at = await stand();
    const made = await at.ask("/api/kim/group", vector("wire", "rpc-create-group-request"), { type: PROTOBUF });
    const id: string = made.json.groupId;
    expect(id).toMatch(/^[0-9a-z]{11,13}$/);
    expect((await at.ask(`/api/kim/group/${id}`)).json).toMatchObject({ id, name: "n", owner: "o" });
    expect((await at.ask(`/api/kim/group/${id}`)).json.createdAt).toMatch(/^\d{10}$/);
    const join = { account: "late", group_id: id };
    for (let twice = 0; twice < 2; twice++) {
      expect((await at.ask("/api/kim/group/member", join)).answer.length).toBe(0);
    }
    const quit = await at.ask("/api/kim/group/member", { account: "b", groupId: id }, { method: "DELETE" });
    expect([quit.status, quit.answer.length]).toEqual([200, 0]);
    const { users } = (await at.ask(`/api/kim/group/members/${id}`)).json;
    expect(users.map((one: { account: string }) => one.account)).toEqual(["o", "a", "late"]);
    expect(users[0].joinTime).toMatch(/^\d{10}$/);
    const talk = { sender: "o", dest: id, message: { type: 1, body: "all" } };
    const { messageId } = (await at.ask("/api/kim/message/group", talk)).json;
    const index = (await at.ask("/api/kim/offline/index", { account: "late" })).json.list;
    expect(index).toMatchObject([{ messageId, accountB: "o", group: id }]);
    expect(index[0].direction).toBeUndefined(); // received: the default is left out
    const contents = (await at.ask("/api/kim/offline/content", { messageIds: [messageId, "7"] })).json.list;
    expect(contents).toEqual([{ id: messageId, type: 1, body: "all" }, { id: "7" }]);
    // An ack moves the read position, and another app sees none of it.
    expect((await at.ask("/api/kim/message/ack", { account: "late", messageId })).status).toBe(200);
    expect((await at.ask("/api/kim/offline/index", { account: "late" })).json.list).toBeUndefined();
    expect((await at.ask(`/api/two/group/${id}`)).status).toBe(404);
    expect((await at.ask(`/api/two/group/members/${id}`)).status).not.toBe(500);
    expect((await at.ask("/api/two/offline/content", { messageIds: [messageId] })).json.list).toEqual([{
      id: messageId,
    }]);
  });

  test("a large group's messages are in the index too, also of somebody who has left since", async () => {
    await using at = await stand();
    const members = ["a", "b", "c", "d"];
    const id: string = (await at.ask("/api/kim/group", { owner: "o", members, name: "n" })).json.groupId;
    const talk = { sender: "o", dest: id, message: { type: 1, body: "room" } };
    const { messageId } = (await at.ask("/api/kim/message/group", talk)).json;
    await at.ask("/api/kim/group/member", { account: "c", groupId: id }, { method: "DELETE" });
    const lists = ["c", "d"].map(async (account) => (await at.ask("/api/kim/offline/index", { account })).json.list);
    expect(await Promise.all(lists)).toMatchObject([[{ messageId }], [{ messageId }]]);
  });

  const user = (over: object) => ({ sender: "ann", dest: "bob", message: { type: 1, body: "x" }, ...over });
  const MILLION = Array<string>(1_000_000).fill("z");
  const WRONG: readonly [string, string, unknown, number, Ask?][] = [
    ["no message", "/api/kim/message/user", { sender: "ann", dest: "bob" }, 400],
    ["no sender", "/api/kim/message/user", user({ sender: "" }), 400],
    ["a sender that is no name", "/api/kim/message/user", user({ sender: "a b" }), 400],
    ["an app that is no name", "/api/a%20b/message/user", user({}), 400],
    ["a body over 5,000", "/api/kim/message/user", user({ message: { body: "x".repeat(5_001) } }), 400],
    ["an extra over 500", "/api/kim/message/user", user({ message: { extra: "x".repeat(501) } }), 400],
    ["a wrong type", "/api/kim/message/user", user({ sender: 7 }), 400],
    ["no JSON", "/api/kim/message/user", encoder.encode("{"), 400],
    ["JSON that is no UTF-8", "/api/kim/message/user", Uint8Array.of(0x22, 0xff, 0x22), 400],
    ["cut protobuf", "/api/kim/message/user", Uint8Array.of(0x0a, 5, 0x61), 400, { type: PROTOBUF }],
    ["a type nobody knows", "/api/kim/message/user", user({}), 415, { type: "application/xml" }],
    ["a group that is none", "/api/kim/message/group", user({ dest: "A B" }), 400],
    ["an unknown group", "/api/kim/message/group", user({ dest: "1zzzzzzzzzz" }), 400],
    ["an unknown group to join", "/api/kim/group/member", { account: "a", groupId: "1zzzzzzzzzz" }, 400],
    ["a nameless member", "/api/kim/group/member", { account: "", groupId: "1zzzzzzzzzz" }, 400],
    ["a nameless owner", "/api/kim/group", { name: "n" }, 400],
    ["a long name", "/api/kim/group", { owner: "o", name: "x".repeat(51) }, 400],
    ["201 ids", "/api/kim/offline/content", { messageIds: Array.from({ length: 201 }, (_, i) => `${i}`) }, 400],
    ["no ids", "/api/kim/offline/content", {}, 400],
    ["a negative id", "/api/kim/offline/content", { messageIds: ["-1"] }, 400],
    ["a negative ack", "/api/kim/message/ack", { account: "a", messageId: "-1" }, 400],
    ["a nameless index", "/api/kim/offline/index", {}, 400],
    ["a bad group id to read", "/api/kim/group/NOPE", undefined, 400],
    ["an unknown group to read", "/api/kim/group/1zzzzzzzzzz", undefined, 404],
    ["the members of an unknown group", "/api/kim/group/members/1zzzzzzzzzz", undefined, 404],
    ["a group of a million", "/api/kim/group", { owner: "o", members: MILLION }, 400],
    ["a group of a million", "/im/group/create", { app: "kim", owner: "o", members: MILLION, waitMs: 9_000 }, 400],
    ["a million accounts", "/im/group/join", { app: "kim", group: "GROUP", accounts: MILLION, waitMs: 9_000 }, 400],
    ["an unknown path", "/api/kim/nothing", {}, 404],
    ["an unknown call", "/im/nothing", {}, 404],
    ["a body over 16 MiB", "/api/kim/message/user", new Uint8Array((16 << 20) + 1), 413],
    [
      "a member who is none",
      "/im/group/join",
      { app: "kim", group: "GROUP", accounts: ["z"], by: "z9", waitMs: 9 },
      403,
    ],
    [
      "too many accounts",
      "/im/group/join",
      { app: "kim", group: "GROUP", accounts: Array(5_001).fill("z"), waitMs: 9 },
      400,
    ],
    ["a page that is too long", "/im/page", { app: "kim", account: "ann", limit: 10_001 }, 400],
    ["too late", "/im/group/join", { app: "kim", group: "GROUP", accounts: ["z"] }, 503],
  ];

  test.each(WRONG)("%s: %s is refused with a code and a text", async (_what, path, body, status, options = {}) => {
    await using at = await stand();
    const group = await at.store.createGroup({
      app: "kim",
      owner: "ann",
      name: "",
      avatar: "",
      introduction: "",
      members: [],
      startBy: Infinity,
    });
    const sent = body instanceof Uint8Array || body === undefined
      ? body
      : JSON.parse(JSON.stringify(body).replace("GROUP", group.id));
    const refused = await at.ask(path, sent, options);
    expect([refused.status, refused.json.message]).toEqual([status, expect.stringMatching(/^Cannot |is none of|: /)]);
    expect(refused.json.code).toMatch(/^[A-Z_]+$/);
    for (const type of [PROTOBUF, MSGPACK]) {
      expect((await at.ask(path, sent, { ...options, accept: type })).type).toBe(type);
    }
    expect(await bodyOf(at.store, "bob")).toEqual([]);
  });

  test("a body without a length is read no further than 16 MiB", async () => {
    await using at = await stand();
    let read = 0;
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(1 << 20));
        if (++read === 64) controller.close();
      },
    });
    const init = { method: "POST", body, duplex: "half", headers: { "content-type": JSON_TYPE } };
    const response = await at.app.request("/api/kim/message/user", init as RequestInit, PEER);
    expect(response.status).toBe(413);
    expect(read).toBeLessThan(24);
  });

  test("what the store cannot do is 500 and 503, and tells nothing of its inside", async () => {
    for (const [code, status] of [["BUSY", 503], ["CLOSED", 503], ["SYSTEM", 500], ["DUPLICATE_ID", 409]] as const) {
      await using at = await stand((store) => {
        return new Proxy(store, {
          get: (target, name) =>
            name === "append"
              ? () => Promise.resolve([new ImError(code, "Cannot store", { cause: new Error("/secret/path") })])
              : Reflect.get(target, name),
        });
      });
      const { status: got, json } = await at.ask("/api/kim/message/user", user({}));
      expect([got, json]).toEqual([status, { code, message: "Cannot store" }]);
    }
    await using broken = await stand((store) => {
      return new Proxy(store, { get: (_, name) => name === "append" ? () => Promise.reject(new Error("/secret")) : 0 });
    });
    const { status, json } = await broken.ask("/api/kim/message/user", user({}));
    expect([status, json]).toEqual([500, { code: "SYSTEM", message: "Cannot answer: the store failed" }]);
  });
});

describe("who may ask royal", () => {
  const FAR = { remoteIp: "203.0.113.5" };
  const path = "/im/heads";
  const body = encoder.encode('{"app":"kim","accounts":["ann"]}');
  const asked = async (authorization: string | undefined, bytes = body, at = path) => {
    await using royal = await stand();
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    const { status, json } = await royal.ask(at, bytes, { from: FAR, headers });
    return [status, json.code];
  };

  test("a signed request may", async () => {
    expect(await asked(signed({ method: "POST", path, body }))).toEqual([200, undefined]);
    expect(await asked(signed({ method: "POST", path: `${path}?a=1`, body }), body, `${path}?a=1`)).toEqual([
      200,
      undefined,
    ]);
  });

  test("nobody else may, and is told in what they read", async () => {
    const no = [401, "UNAUTHORIZED"];
    expect(await asked(undefined)).toEqual(no);
    expect(await asked("Bearer x")).toEqual(no);
    expect(await asked(signed({ method: "POST", path, body }, Date.now() - 61_000))).toEqual(no);
    expect(await asked(signed({ method: "POST", path, body }, Date.now() + 61_000))).toEqual(no);
    expect(await asked(signed({ method: "POST", path, body }), encoder.encode("{}"))).toEqual(no);
    expect(await asked(signed({ method: "POST", path: "/im/ack", body }))).toEqual(no);
  });

  test("a body is not read for somebody who cannot be right", async () => {
    await using royal = await stand();
    let pulled = false;
    const stream = new ReadableStream({
      pull(controller) {
        pulled = true;
        controller.close();
      },
    }, { highWaterMark: 0 });
    const init = { method: "POST", body: stream, duplex: "half" };
    expect((await royal.app.request(path, init as RequestInit, FAR)).status).toBe(401);
    expect(pulled).toBe(false);
  });
});
