import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as runtime from "#runtime";
import { systemClock } from "../../src/base/clock.ts";
import { silent } from "../../src/base/logger.ts";
import { Metrics } from "../../src/base/metrics.ts";
import { readToken } from "../../src/protocol/claims.ts";
import { FLAG } from "../../src/protocol/header.ts";
import { Api } from "../../src/services/api/api.ts";
import { API_KEY, ApiStand, type Told } from "../support/api_stand.ts";
import { until } from "../support/until.ts";

const codeOf = ({ status, body }: Told) => [status, body["code"]];

describe("messages", () => {
  test("are stored, numbered, and in both accounts' histories and lists", async () => {
    await using stand = await ApiStand.start();
    const first = await stand.ask("POST", "messages", { from: "ann", to: "bob", body: "hello 你好 😀", extra: "{}" });
    expect([first.status, first.body["seq"]]).toEqual([200, 1]);
    expect(String(first.body["messageId"])).toMatch(/^\d{18,19}$/);
    expect(String(first.body["sendTime"])).toMatch(/^\d{19}$/);
    await stand.ask("POST", "messages", { from: "bob", to: "ann", body: "hi", type: 2, clientMsgId: "one" });
    const { body: history } = await stand.ask("GET", "accounts/bob/history?with=ann");
    const hello = { ...first.body, from: "ann", type: 1, body: "hello 你好 😀", extra: "{}" };
    expect(history).toMatchObject({ first: 1, head: 2, messages: [hello, { seq: 2, type: 2, clientMsgId: "one" }] });
    const page = await stand.ask("GET", "accounts/ann/history?with=bob&before=2&limit=1");
    expect(page.body["messages"]).toEqual([hello]);
    const up = await stand.ask("GET", "accounts/ann/history?with=bob&after=1");
    expect((up.body["messages"] as { body: string }[]).map(({ body }) => body)).toEqual(["hi"]);
    const { body: list } = await stand.ask("GET", "accounts/ann/conversations");
    expect(list).toMatchObject({
      conversations: [{ with: "bob", head: 2, unread: 1, last: { from: "bob", body: "hi" } }],
    });
    expect("next" in list).toBe(false);
  });

  test("the same clientMsgId is stored once; another content under it is 409", async () => {
    await using stand = await ApiStand.start();
    const message = { from: "ann", to: "bob", body: "once", clientMsgId: "order-7" };
    const one = await stand.ask("POST", "messages", message);
    const two = await stand.ask("POST", "messages", message);
    expect(two.body).toEqual(one.body);
    expect(codeOf(await stand.ask("POST", "messages", { ...message, body: "twice" }))).toEqual([409, "DUPLICATE_ID"]);
    expect((await stand.ask("GET", "accounts/bob/history?with=ann")).body["head"]).toBe(1);
  });

  test("are pushed to who is online: the receiver, and the sender's devices", async () => {
    await using stand = await ApiStand.start();
    await stand.logic.online("bob");
    await stand.logic.online("ann");
    const { body } = await stand.ask("POST", "messages", { from: "ann", to: "bob", body: "x" });
    expect(body["seq"]).toBe(1);
    await until(() => stand.logic.down.filter(({ header }) => header.flag === FLAG.PUSH).length === 2);
    expect(stand.logic.down.map(({ channels, own }) => [channels, own]).sort()).toEqual([
      [["channel of ann"], true],
      [["channel of bob"], false],
    ]);
  });

  test("only members write to a group, or read it", async () => {
    await using stand = await ApiStand.start();
    const { body: { id } } = await stand.ask("POST", "groups", { owner: "ann", name: "lunch", members: ["bob"] });
    const said = await stand.ask("POST", "messages", { from: "bob", group: id, body: "soup?" });
    expect([said.status, said.body["seq"]]).toEqual([200, 1]);
    expect(codeOf(await stand.ask("POST", "messages", { from: "eve", group: id, body: "x" }))).toEqual([
      403,
      "FORBIDDEN",
    ]);
    expect(codeOf(await stand.ask("GET", `accounts/eve/history?group=${id}`))).toEqual([403, "FORBIDDEN"]);
    const history = await stand.ask("GET", `accounts/ann/history?group=${id}`);
    expect(history.body).toMatchObject({ head: 1, messages: [{ from: "bob", body: "soup?" }] });
    const list = await stand.ask("GET", "accounts/ann/conversations?limit=1");
    expect(list.body["conversations"]).toMatchObject([{ group: id, name: "lunch", memberCount: 2, unread: 1 }]);
  });
});

describe("groups", () => {
  test("are made, read, joined and left; twice is once", async () => {
    await using stand = await ApiStand.start();
    const made = await stand.ask("POST", "groups", { owner: "ann", name: "lunch", avatar: "a", introduction: "i" });
    const id = String(made.body["id"]);
    expect(made.status).toBe(201);
    const { body: group } = await stand.ask("GET", `groups/${id}`);
    expect(group).toMatchObject({
      id,
      name: "lunch",
      avatar: "a",
      introduction: "i",
      owner: "ann",
      memberCount: 1,
      large: false,
    });
    expect(Number(group["createdAt"])).toBeGreaterThan(1_700_000_000);
    for (const account of ["bob", "bob", "cid"]) {
      expect((await stand.ask("POST", `groups/${id}/members`, { account })).status).toBe(204);
    }
    const members = async (query = "") => (await stand.ask("GET", `groups/${id}/members${query}`)).body;
    const names = (page: Record<string, unknown>) =>
      (page["members"] as { account: string }[]).map(({ account }) => account);
    expect([names(await members()), (await members())["memberCount"]]).toEqual([["ann", "bob", "cid"], 3]);
    const page = await members("?limit=2");
    expect(names(page)).toEqual(["ann", "bob"]);
    const rest = await members(`?limit=2&next=${encodeURIComponent(String(page["next"]))}`);
    expect([names(rest), "next" in rest]).toEqual([["cid"], false]);
    expect(codeOf(await stand.ask("GET", `groups/${id}/members?next=%3F`))).toEqual([400, "INVALID_REQUEST"]);
    for (const account of ["ann", "ann", "bob"]) {
      expect((await stand.ask("DELETE", `groups/${id}/members/${account}`)).status).toBe(204);
    }
    expect(names(await members())).toEqual(["cid"]); // the owner has left: it goes on
    expect((await stand.ask("GET", `groups/${id}`)).body["memberCount"]).toBe(1);
  });

  test("that are not there are 404, those of another app too", async () => {
    await using stand = await ApiStand.start();
    const { body: { id } } = await stand.ask("POST", "groups", { owner: "ann", name: "x" });
    for (const path of [`/api/v1/kim/groups/g4wmc1rcz2m8`, `/api/v1/other/groups/${id}`]) {
      expect(codeOf(await stand.ask("GET", path))).toEqual([404, "NOT_FOUND"]);
      expect(codeOf(await stand.ask("GET", `${path}/members`))).toEqual([404, "NOT_FOUND"]);
      expect(codeOf(await stand.ask("POST", `${path}/members`, { account: "bob" }))).toEqual([404, "NOT_FOUND"]);
      expect(codeOf(await stand.ask("DELETE", `${path}/members/bob`))).toEqual([404, "NOT_FOUND"]);
    }
    const lost = { from: "ann", group: "g4wmc1rcz2m8", body: "x" };
    expect(codeOf(await stand.ask("POST", "messages", lost))).toEqual([404, "NOT_FOUND"]);
    expect(codeOf(await stand.ask("GET", "accounts/ann/history?group=g4wmc1rcz2m8"))).toEqual([404, "NOT_FOUND"]);
  });
});

describe("accounts", () => {
  test("who is online, device by device", async () => {
    await using stand = await ApiStand.start();
    expect((await stand.ask("GET", "accounts/ann/online")).body).toEqual({ devices: [] });
    await stand.logic.online("ann");
    expect((await stand.ask("GET", "accounts/ann/online")).body).toEqual({ devices: [{ device: "", gateway: "gw" }] });
  });

  test("a login token, where the secret is", async () => {
    const hmac = runtime.hmacSha256("a secret");
    await using stand = await ApiStand.start({ hmac });
    const { status, body } = await stand.ask("POST", "tokens", { account: "ann", seconds: 60 });
    const now = Date.now() / 1000;
    expect(status).toBe(201);
    expect(readToken(String(body["token"]), now, hmac)).toEqual({
      acc: "ann",
      app: "kim",
      exp: Number(body["expires"]),
    });
    await using without = await ApiStand.start();
    expect(codeOf(await without.ask("POST", "tokens", { account: "ann" }))).toEqual([501, "NOT_IMPLEMENTED"]);
  });
});

describe("what is wrong with a request is said", () => {
  const GROUP = "g4wmc1rcz2m8";
  let stand: ApiStand;
  beforeAll(async () => void (stand = await ApiStand.start()));
  afterAll(() => stand[Symbol.asyncDispose]());

  test.each<[string, string, unknown, number, string]>([
    ["POST", "messages", { from: "ann", body: "x" }, 400, "expected one of to and group"],
    ["POST", "messages", { from: "ann", to: "bob", group: GROUP, body: "x" }, 400, "expected one of to and group"],
    ["POST", "messages", { from: "a b", to: "bob", body: "x" }, 400, "from: expected a name"],
    ["POST", "messages", { from: "ann", to: "bob" }, 400, "body: "],
    ["POST", "messages", { from: "ann", to: "bob", body: 1 }, 400, "body: "],
    ["POST", "messages", { from: "ann", to: "bob", body: "x".repeat(5_001) }, 400, "body: expected at most 5000"],
    [
      "POST",
      "messages",
      { from: "ann", to: "bob", body: "x", extra: "x".repeat(501) },
      400,
      "extra: expected at most 500",
    ],
    ["POST", "messages", '{"from":"ann","to":"bob","body":"\\ud800"}', 400, "surrogates"],
    ["POST", "messages", { from: "ann", to: "bob", body: "x", type: 2 ** 31 }, 400, "type: "],
    ["POST", "messages", { from: "ann", to: "bob", body: "x", clientMsgId: "" }, 400, "clientMsgId: "],
    ["POST", "messages", { from: "ann", to: "bob", body: "x", msgId: "1" }, 400, "msgId"],
    ["POST", "messages", { from: "ann", group: "NOT A GROUP", body: "x" }, 400, "group: expected a group id"],
    ["POST", "messages", "{", 400, "no JSON"],
    ["POST", "messages", "", 400, "no JSON"],
    ["POST", "messages", "[]", 400, "expected object"],
    ["POST", "messages", "x".repeat(64 * 1024 + 1), 413, "more than 65536 bytes"],
    ["POST", "/api/v1/a%20b/messages", { from: "ann", to: "bob", body: "x" }, 400, "app is not a legal name"],
    ["GET", "accounts/a%2Fb/conversations", undefined, 400, "account is not a legal name"],
    ["POST", "/api/v1/%FF/messages", { from: "ann", to: "bob", body: "x" }, 400, "UTF-8 in hex"],
    ["GET", "accounts/ann%2/conversations", undefined, 400, "UTF-8 in hex"],
    ["GET", "accounts/ann/history?with=%C3", undefined, 400, "UTF-8 in hex"],
    ["GET", "accounts/ann/history?with=bob&with=cid", undefined, 400, "with comes twice"],
    ["GET", "accounts/ann/conversations?limit=101", undefined, 400, "limit: expected 1 to 100"],
    ["GET", "accounts/ann/conversations?page=2", undefined, 400, "page"],
    ["GET", "accounts/ann/history", undefined, 400, "expected one of with and group"],
    ["GET", "accounts/ann/history?with=bob&after=1&before=9", undefined, 400, "expected one of after and before"],
    ["GET", "accounts/ann/history?with=bob&after=-1", undefined, 400, "after: expected a whole number"],
    ["GET", "groups/UPPER", undefined, 400, "not a group id"],
    ["POST", "groups", { owner: "ann", name: "x".repeat(51) }, 400, "name: expected at most 50"],
    ["POST", "groups", { owner: "ann", name: "x", members: ["a,b"] }, 400, "members.0: expected a name"],
    ["POST", "tokens", { account: "ann", seconds: 0 }, 400, "seconds: "],
    ["PUT", "messages", {}, 405, "Only POST"],
    ["GET", "nowhere", undefined, 404, "openapi.json"],
    ["GET", "accounts/ann/conversations?next=nonsense", undefined, 400, ""],
    ["GET", `groups/${GROUP}/members?limit=501`, undefined, 400, "limit: expected 1 to 500"],
  ])("%s %s %j: %d", async (method, path, body, status, said) => {
    const told = await stand.ask(method, path, body);
    expect([told.status, typeof told.body["code"], String(told.body["message"])]).toEqual([
      status,
      "string",
      expect.stringContaining(said),
    ]);
  });

  test("bodies that are no JSON by name, and callers without the key, are not looked at", async () => {
    const message = { from: "ann", to: "bob", body: "x" };
    const plain = await stand.ask("POST", "messages", message, { "content-type": "text/plain" });
    expect(codeOf(plain)).toEqual([415, "UNSUPPORTED_TYPE"]);
    for (
      const authorization of [
        "",
        "Bearer",
        "Bearer ",
        `Basic ${API_KEY}`,
        API_KEY,
        `Bearer ${API_KEY}x`,
        `Bearer ${API_KEY.slice(1)}`,
      ]
    ) {
      const told = await stand.ask("POST", "messages", message, { authorization });
      expect(codeOf(told)).toEqual([401, "UNAUTHORIZED"]);
      expect(told.headers.get("www-authenticate")).toBe("Bearer");
    }
    expect(stand.metrics.read("petrel_api_refused_total")).toBe(7);
    expect(codeOf(await stand.ask("GET", "nowhere", undefined, { authorization: "" }))).toEqual([401, "UNAUTHORIZED"]);
    const cross = await stand.ask("POST", "messages", message, { origin: "https://evil.example" });
    expect([cross.status, cross.headers.get("access-control-allow-origin")]).toEqual([200, null]);
    expect(cross.headers.get("cache-control")).toBe("no-store");
  });

  test("an empty key lets nobody in: the API does not start with one", () => {
    const config = { serviceId: "api01", incarnation: "run", apiKey: "", version: "1" };
    const deps = { clock: systemClock, log: silent, metrics: new Metrics() };
    expect(() => new Api(config, deps)).toThrow("its key is empty");
  });

  test("a body without a length is read no further than the limit", async () => {
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(16 << 10).fill(0x20));
      },
    });
    const headers = { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" };
    const init: RequestInit & { duplex: "half" } = { method: "POST", headers, body: endless, duplex: "half" };
    const answer = await stand.api.app.request(new Request("http://x/api/v1/kim/messages", init));
    expect(answer.status).toBe(413);
    expect(pulled).toBeLessThan(10);
  });
});
