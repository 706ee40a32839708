import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../base/fake_clock.ts";
import { demoTokenApp } from "./demo_token.ts";

const JSON_TYPE = { "content-type": "application/json", host: "localhost:8000" };

function demo(on = true) {
  const clock = new FakeClock();
  const app = demoTokenApp({ sign: (account) => `token of ${account}`, clock, on, ownName: "localhost" });
  const post = (body: string, headers: Record<string, string> = JSON_TYPE, remoteIp = "127.0.0.1") =>
    app.request("/demo/token", { method: "POST", body, headers }, {
      remoteIp,
      remote: `${remoteIp}:1`,
      upgrade: () => new Response(null),
    });
  return { app, clock, post };
}

describe("POST /demo/token", () => {
  test("gives a token for a legal name, never to be cached, and no other page may read it", async () => {
    const response = await demo().post('{"account":"小明"}', { ...JSON_TYPE, origin: "http://localhost:8000" });
    expect([response.status, await response.json()]).toEqual([200, { token: "token of 小明" }]);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
  });

  test.each([
    ["a space in it", '{"account":"a b"}'],
    ["61 characters", `{"account":"${"x".repeat(61)}"}`],
    ["a number", '{"account":7}'],
    ["no account", "{}"],
    ["null", "null"],
    ["no JSON", "account=ann"],
    ["nothing", ""],
  ])("refuses %s with 400", async (_, body) => {
    const response = await demo().post(body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "INVALID_NAME" });
  });

  test("gives none while the demo is off", async () => {
    const response = await demo(false).post('{"account":"ann"}');
    expect([response.status, await response.json()]).toMatchObject([403, { code: "DEMO_OFF" }]);
  });

  test.each([
    ["another page", { ...JSON_TYPE, origin: "http://evil.example" }, 403],
    ["a rebound name", { ...JSON_TYPE, host: "evil.example", origin: "http://evil.example" }, 403],
    ["a form, which needs no permission", { host: "localhost:8000", "content-type": "text/plain" }, 415],
  ])("refuses %s", async (_, headers, status) => {
    expect((await demo().post('{"account":"ann"}', headers)).status).toBe(status);
  });

  test("refuses large bodies and other methods", async () => {
    const { app, post } = demo();
    expect((await post(`{"account":"ann","x":"${"y".repeat(2_000)}"}`)).status).toBe(413);
    const response = await app.request("/demo/token");
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
  });

  test("one address gets 100 at once and 10 a second; others are not harmed", async () => {
    const { clock, post } = demo();
    const many = async (count: number, ip: string) => {
      const statuses = [];
      for (let i = 0; i < count; i++) statuses.push((await post('{"account":"ann"}', JSON_TYPE, ip)).status);
      return statuses.filter((status) => status === 200).length;
    };
    expect(await many(120, "10.0.0.1")).toBe(100);
    expect(await many(1, "10.0.0.2")).toBe(1);
    clock.advance(1_000);
    expect(await many(20, "10.0.0.1")).toBe(10);
  });
});
