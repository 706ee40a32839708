import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../base/fake_clock.ts";
import type { HttpEnv } from "../../comm/ports.ts";
import { routerApp } from "./app.ts";
import { localGateways } from "./local_gateways.ts";

const ENV: HttpEnv = {
  remote: "203.0.113.7:5",
  remoteIp: "203.0.113.7",
  secure: false,
  upgrade: () => new Response(null),
};
const clock = new FakeClock();

function ask(
  path: string,
  init: RequestInit & { origins?: string[]; domains?: string[]; secure?: boolean } = {},
): Promise<Response> {
  const { origins = ["*"], domains = [], secure = false, ...request } = init;
  const app = routerApp({ pick: localGateways(domains), clock, origins });
  const headers = { host: "chat.example:8000", ...request.headers as Record<string, string> };
  return Promise.resolve(app.request(path, { ...request, headers }, { ...ENV, secure }));
}

async function domains(answer: Promise<Response>): Promise<unknown> {
  const { domains } = await (await answer).json() as { domains: unknown };
  return domains;
}

describe("GET /api/lookup/:key", () => {
  test("answers the spec's JSON with the address the client used", async () => {
    const answer = await ask("/api/lookup/any.opaque-token");
    expect([answer.status, answer.headers.get("cache-control")]).toEqual([200, "no-store"]);
    expect(await answer.json()).toEqual({
      utc: Math.floor(clock.now() / 1000),
      location: "中国",
      domains: ["ws://chat.example:8000"],
    });
    expect(await domains(ask("/api/lookup/x", { secure: true }))).toEqual(["wss://chat.example:8000"]);
  });

  test("configured addresses win, three of them at most, each once", async () => {
    const configured = [
      "wss://a.example",
      "wss://a.example",
      "wss://b.example",
      "tls://c.example:1",
      "wss://d.example",
    ];
    expect(await domains(ask("/api/lookup/x", { domains: configured }))).toEqual([
      "wss://a.example",
      "wss://b.example",
      "tls://c.example:1",
    ]);
  });

  test.each(["a b", "x/../y", "x?y", "<script>", "user@host", "", "x".repeat(300) + ":999999"])(
    "a Host of %j is not repeated",
    async (host) => {
      expect(await domains(ask("/api/lookup/x", { headers: { host } }))).toEqual([]);
    },
  );

  test("any key will do, escaped or long; none at all is 404, a slash behind it leads to the one without", async () => {
    expect((await ask(`/api/lookup/${encodeURIComponent("a/b?c=ü%")}`)).status).toBe(200);
    expect((await ask(`/api/lookup/${"x".repeat(4_000)}`)).status).toBe(200);
    expect((await ask("/api/lookup/%zz")).status).toBe(200);
    expect([(await ask("/api/lookup")).status, (await ask("/api/lookup/")).status]).toEqual([404, 404]);
    const slash = await ask("/api/lookup/a%2Fb/");
    expect([slash.status, slash.headers.get("location")]).toEqual([301, "../a%2Fb"]);
  });

  test("pages of allowed origins may ask", async () => {
    expect((await ask("/api/lookup/x")).headers.get("access-control-allow-origin")).toBe("*");
    const origins = ["https://a.example"];
    const from = async (origin: string) => {
      const { headers } = await ask("/api/lookup/x", { origins, headers: { origin } });
      return [
        headers.get("access-control-allow-origin"),
        headers.get("access-control-allow-credentials"),
        headers.get("vary"),
      ];
    };
    expect(await from("https://a.example")).toEqual(["https://a.example", null, "origin"]);
    expect(await from("https://b.example")).toEqual([null, null, "origin"]);
  });

  test("HEAD and OPTIONS are answered, everything else is refused", async () => {
    const head = await ask("/api/lookup/x", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    const options = await ask("/api/lookup/x", { method: "OPTIONS" });
    expect([options.status, options.headers.get("access-control-allow-methods")]).toEqual([204, "GET, HEAD, OPTIONS"]);
    const post = await ask("/api/lookup/x", { method: "POST" });
    expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD, OPTIONS"]);
  });
});
