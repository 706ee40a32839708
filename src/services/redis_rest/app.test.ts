import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { whyNoRedis } from "../../../tests/support/redis_server.ts";
import { UpstashStand } from "../../../tests/support/upstash_stand.ts";

const why = whyNoRedis();
if (why !== undefined) console.log(`Skipped tests of the REST protocol: ${why}`);
const withRedis = test.skipIf(why !== undefined);

describe("Upstash's REST protocol", () => {
  let stand: UpstashStand;
  beforeAll(async () => {
    if (why === undefined) stand = await UpstashStand.start({ bytes: 1 << 20, commands: 100, subscriptions: 1 });
  });
  afterAll(async () => {
    await stand?.[Symbol.asyncDispose]();
  });

  const call = async (path: string, init: RequestInit = {}, token = "stand-token") => {
    const headers = { authorization: `Bearer ${token}`, ...init.headers as Record<string, string> };
    const response = await fetch(`${stand.url}${path}`, { ...init, headers });
    return { status: response.status, body: await response.json() as unknown };
  };
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    call(path, { method: "POST", body: JSON.stringify(body), headers });

  withRedis("a command in the body, numbers among its arguments", async () => {
    expect(await post("/", ["SET", "foo", "bar", "EX", 100])).toEqual({ status: 200, body: { result: "OK" } });
    expect(await post("/", ["GET", "foo"])).toEqual({ status: 200, body: { result: "bar" } });
    expect(await post("/", ["GET", "nobody"])).toEqual({ status: 200, body: { result: null } });
    expect(await post("", ["INCRBY", "number", 137])).toEqual({ status: 200, body: { result: 137 } });
  });

  withRedis("a command in the path, the body as its last argument, the query behind it", async () => {
    expect(await call("/set/path/va%20lue%2F1")).toEqual({ status: 200, body: { result: "OK" } });
    expect(await call("/GET/path/")).toEqual({ status: 200, body: { result: "va lue/1" } });
    expect(await call("/set/posted?EX=100&NX", { method: "POST", body: '{"a":1}' })).toMatchObject({ status: 200 });
    expect(await call("/get/posted")).toEqual({ status: 200, body: { result: '{"a":1}' } });
    expect((await call("/ttl/posted")).body).toMatchObject({ result: expect.any(Number) });
    expect(await call("/set/posted?NX", { method: "PUT", body: "2" })).toEqual({ status: 200, body: { result: null } });
    const head = await fetch(`${stand.url}/get/posted?_token=stand-token`, { method: "HEAD" });
    expect(head.status).toBe(200);
  });

  withRedis("a pipeline answers each command, errors among them", async () => {
    const body = [["SET", "p", "x"], ["SETEX", "p2", 13, "z"], ["INCR", "p"], ["MGET", "p", "none"]];
    expect(await post("/pipeline", body)).toEqual({
      status: 200,
      body: [
        { result: "OK" },
        { result: "OK" },
        { error: "ERR value is not an integer or out of range" },
        { result: ["x", null] },
      ],
    });
  });

  withRedis("a transaction is whole, or refused as a whole", async () => {
    expect(await post("/multi-exec", [["SET", "t", "1"], ["INCR", "t"], ["LPUSH", "t", "x"]])).toEqual({
      status: 200,
      body: [{ result: "OK" }, { result: 2 }, { error: expect.stringContaining("WRONGTYPE") }],
    });
    const { status, body } = await post("/multi-exec", [["SET", "t", "9"], ["NOSUCH"]]);
    expect({ status, body }).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining("unknown command") },
    });
    expect((await call("/get/t")).body).toEqual({ result: "2" });
  });

  withRedis("transactions of many requests at once do not mix", async () => {
    const all = await Promise.all(
      Array.from({ length: 50 }, (_, i) => post("/multi-exec", [["SET", "mine", i], ["GET", "mine"]])),
    );
    all.forEach(({ body }, i) => expect(body).toEqual([{ result: "OK" }, { result: String(i) }]));
  });

  withRedis("scripts run, by text and by digest", async () => {
    const script = "return {KEYS[1], ARGV[1], 7, false}";
    expect((await post("/", ["EVAL", script, 1, "k", "a"])).body).toEqual({ result: ["k", "a", 7, null] });
    const { result: digest } = (await post("/", ["SCRIPT", "LOAD", script])).body as { result: string };
    expect((await post("/", ["EVALSHA", digest, 1, "k", "b"])).body).toEqual({ result: ["k", "b", 7, null] });
    const { status, body } = await post("/", ["EVALSHA", "0".repeat(40), 0]);
    expect({ status, body }).toMatchObject({ status: 400, body: { error: expect.stringContaining("NOSCRIPT") } });
  });

  withRedis("base64 covers every string but OK, and carries any bytes", async () => {
    const base64 = { "upstash-encoding": "base64" };
    expect((await call("/set/b64", { method: "POST", body: new Uint8Array([255, 0, 13, 10]), headers: base64 })).body)
      .toEqual({ result: "OK" });
    expect((await call("/get/b64", { headers: base64 })).body).toEqual({ result: "/wANCg==" });
    expect((await call("/get/b64")).body).toEqual({ result: "\ufffd\0\r\n" });
    expect((await post("/pipeline", [["ECHO", "bar"], ["PING"], ["MGET", "b64", "no"]], base64)).body)
      .toEqual([{ result: "YmFy" }, { result: "UE9ORw==" }, { result: ["/wANCg==", null] }]);
  });

  withRedis("without the token nothing is answered", async () => {
    for (const token of ["", "stand-toke", "stand-token2", "xtand-token"]) {
      expect(await call("/get/foo", {}, token)).toMatchObject({ status: 401, body: { error: expect.any(String) } });
    }
    const response = await fetch(`${stand.url}/get/foo?_token=stand-token`);
    expect(response.status).toBe(200);
    await response.body?.cancel();
  });

  withRedis("what cannot be used is refused with its reason", async () => {
    const refused = async (answer: Promise<{ status: number; body: unknown }>, words: string, status = 400) => {
      expect(await answer).toMatchObject({ status, body: { error: expect.stringContaining(words) } });
    };
    await refused(call("/", { method: "POST", body: "{" }), "not JSON");
    await refused(call("/", { method: "POST" }), "empty command");
    await refused(call("/"), "empty command");
    await refused(post("/", {}), "array");
    await refused(post("/", []), "empty command");
    await refused(post("/", ["SET", "a", { b: 1 }]), "strings and numbers");
    await refused(post("/pipeline", ["GET", "a"]), "array");
    await refused(post("/pipeline", []), "array of commands");
    await refused(post("/pipeline", Array(101).fill(["PING"])), "max number of commands");
    await refused(post("/", ["SET", "a", "x".repeat(2 << 20)]), "max request size");
    await refused(post("/", ["blpop", "a", 0]), "not available");
    await refused(post("/", ["MULTI"]), "not available");
    await refused(call("/no/such/thing"), "unknown command");
    await refused(call("/get/%ff"), "percent-encoded");
    await refused(call("/get"), "wrong number of arguments");
    await refused(call("/get/foo", { method: "DELETE" }), "method", 405);
    await refused(call("/get/foo", { headers: { "upstash-encoding": "hex" } }), "encoding");
    await refused(call("/get/foo", { headers: { "upstash-response-format": "xml" } }), "format");
  });

  withRedis("a subscription streams what is published, until its reader goes", async () => {
    const leaving = new AbortController();
    const headers = { authorization: "Bearer stand-token", accept: "text/event-stream" };
    const response = await fetch(`${stand.url}/subscribe/chat`, { method: "POST", headers, signal: leaving.signal });
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let told = "";
    const until = async (words: string) => {
      while (!told.includes(words)) {
        const { done, value } = await reader.read();
        if (done) throw new Error(`ended before ${words}`);
        told += value;
      }
    };
    await until("data: subscribe,chat,1\n");
    expect((await post("/subscribe/other", [])).status).toBe(429);
    expect(await call("/publish/chat/hello")).toEqual({ status: 200, body: { result: 1 } });
    await until("data: message,chat,hello\n");
    await reader.cancel().catch(() => {});
    leaving.abort();
    for (;;) {
      const { body } = await call("/publish/chat/gone");
      if ((body as { result: number }).result === 0) break;
      await new Promise((go) => setTimeout(go, 20));
    }
  });

  withRedis("a large value comes whole", async () => {
    const value = "ü".repeat(200_000);
    await post("/", ["SET", "large", value]);
    expect((await call("/get/large")).body).toEqual({ result: value });
    await stand.ask("EVAL", "for i = 1, 2000 do redis.call('RPUSH', 'list', string.rep('x', 500)) end", 0);
    expect(((await call("/lrange/list/0/-1")).body as { result: string[] }).result.length).toBe(2000);
  });

  withRedis("a Redis that goes and comes back is asked again", async () => {
    await stand.redis.kill();
    expect(await call("/get/foo")).toMatchObject({ status: 503, body: { error: expect.stringContaining("Redis") } });
    await stand.redis.resume();
    expect(await call("/get/foo")).toEqual({ status: 200, body: { result: null } });
    stand.redis.pause();
    const waiting = call("/get/foo");
    await new Promise((go) => setTimeout(go, 50));
    await stand.redis.kill();
    expect((await waiting).status).toBe(503);
    await stand.redis.resume();
    expect((await call("/ping")).body).toEqual({ result: "PONG" });
  }, 30_000);
});
