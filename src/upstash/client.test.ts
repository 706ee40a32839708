import { expect, test } from "bun:test";
import { systemClock } from "../base/clock.ts";
import { FakeClock } from "../base/fake_clock.ts";
import { type Logger, silent } from "../base/logger.ts";
import { Metrics } from "../base/metrics.ts";
import { Upstash, type UpstashOptions } from "./client.ts";
import type { Question } from "./question.ts";
import { Script } from "./script.ts";

type Answer = (commands: readonly (readonly string[])[], signal: AbortSignal) => Response | Promise<Response>;

/** What a healthy endpoint says: each command's last argument. */
const healthy: Answer = (commands) => Response.json(commands.map((command) => ({ result: command.at(-1) })));

/** An endpoint that answers as it is told. */
class Endpoint {
  answer: Answer = healthy;
  requests = 0;
  readonly commands: (readonly string[])[] = [];
  readonly fetch = Object.assign(async (_url: string | URL | Request, init?: RequestInit) => {
    this.requests++;
    const commands = JSON.parse(String(init?.body));
    this.commands.push(...commands);
    return await this.answer(commands, init!.signal!);
  }, { preconnect: () => {} });
}

function open(endpoint: Endpoint, more: Partial<UpstashOptions> = {}): Upstash {
  const { fetch } = endpoint;
  const options = { url: "https://redis.test", token: "secret-token", clock: systemClock, log: silent };
  return new Upstash({ ...options, fetch, random: () => 0, ...more });
}

const SCRIPT = new Script("return ARGV[1]");
const echo = (text: string, repeat = true): Question<string> => ({
  what: "ask for an echo",
  repeat,
  command: () => ({ script: SCRIPT, keys: ["k"], args: [text] }),
  read: (result) => typeof result === "string" ? result : undefined,
});
const codeOf = (promise: Promise<unknown>) => promise.then(() => "answered", (error) => error.code as string);

test("questions of one tick are one request; those that come while requests are under way form the next", async () => {
  const endpoint = new Endpoint();
  const gate = Promise.withResolvers<void>();
  endpoint.answer = async (commands, signal) => (await gate.promise, healthy(commands, signal));
  await using upstash = open(endpoint, { inFlight: 1 });
  const first = ["a", "b", "c"].map((text) => upstash.ask(echo(text)));
  while (endpoint.requests === 0) await new Promise((go) => setTimeout(go, 1));
  const later: Promise<string>[] = [];
  for (let i = 0; i < 300; i++) later.push(upstash.ask(echo(`${i}`)));
  await new Promise((go) => setTimeout(go, 20));
  expect(endpoint.requests).toBe(1);
  gate.resolve();
  expect(await Promise.all(first)).toEqual(["a", "b", "c"]);
  expect(await Promise.all(later)).toEqual(Array.from({ length: 300 }, (_, i) => `${i}`));
  expect(endpoint.requests).toBe(3); // 256 commands at most
});

test("more than may wait are refused with BUSY, and nothing of them is sent", async () => {
  const endpoint = new Endpoint();
  await using upstash = open(endpoint, { most: 5 });
  const codes = await Promise.all(Array.from({ length: 8 }, (_, i) => codeOf(upstash.ask(echo(`${i}`)))));
  expect(codes).toEqual([...Array(5).fill("answered"), ...Array(3).fill("BUSY")]);
  expect(endpoint.commands.length).toBe(5);
});

const json = (body: unknown, status = 200) => () => Response.json(body, { status });
const LIES: [string, Answer][] = [
  ["HTTP 500 with words", json({ error: "ERR internal" }, 500)],
  ["HTTP 500 with HTML", () => new Response("<html>oops</html>", { status: 500 })],
  ["HTTP 200 with HTML", () => new Response("<html>welcome</html>")],
  ["HTTP 200 without a body", () => new Response(null)],
  ["HTTP 429", json({ error: "ERR max requests limit exceeded" }, 429)],
  ["HTTP 401", json({ error: "WRONGPASS invalid or missing auth token" }, 401)],
  ["a redirect", () => new Response(null, { status: 302, headers: { location: "https://elsewhere.test" } })],
  ["an object for a list", json({ result: "x" })],
  ["too few results", (commands) => Response.json(commands.slice(1).map(() => ({ result: "x" })))],
  ["too many results", (commands) => Response.json([...commands, []].map(() => ({ result: "x" })))],
  ["results that are none", (commands) => Response.json(commands.map(() => null))],
  ["results without result", (commands) => Response.json(commands.map(() => ({ error: 7 })))],
  ["a number for JSON", json(7)],
  ["cut JSON", () => new Response('[{"result":"x"')],
  ["a body that says it is huge", () => new Response("x", { headers: { "content-length": `${1 << 30}` } })],
  ["a body without an end", () => new Response(endless())],
  ["a body that breaks", () => new Response(broken())],
  ["a refused connection", () => Promise.reject(new TypeError("fetch failed", { cause: new Error("ECONNREFUSED") }))],
  ["silence", (_commands, signal) => new Promise((_, reject) => signal.onabort = () => reject(signal.reason))],
  ["a body that never comes", (_commands, signal) => new Response(stalled(signal))],
];

test.each(LIES)(
  "an endpoint that answers with %s: SYSTEM, one line in the log, and right again after it",
  async (_what, lie) => {
    const endpoint = new Endpoint();
    const lines: string[] = [];
    const write = (message: string, fields = {}) => void lines.push(`${message} ${JSON.stringify(fields)}`);
    const log: Logger = { ...silent, warn: write, error: write };
    await using upstash = open(endpoint, { log, timeoutMs: 100 });
    expect(await upstash.ask(echo("before"))).toBe("before");
    endpoint.answer = lie;
    expect(await Promise.all(["a", "b"].map((text) => codeOf(upstash.ask(echo(text, false)))))).toEqual([
      "SYSTEM",
      "SYSTEM",
    ]);
    expect(await codeOf(upstash.ask(echo("c", false)))).toBe("SYSTEM");
    expect(upstash.problem).toContain("Upstash Redis has no answer: ");
    expect(lines.length).toBe(1);
    for (const secret of ["secret-token", "return ARGV", "before"]) expect(lines.join()).not.toContain(secret);
    endpoint.answer = healthy;
    expect(await upstash.ask(echo("after"))).toBe("after");
    expect(upstash.problem).toBeUndefined();
  },
);

const WRONG: [string, Answer][] = [
  ["a result of another kind", (commands) => Response.json(commands.map(() => ({ result: { a: [1] } })))],
  ["null", (commands) => Response.json(commands.map(() => ({ result: null })))],
  ["an error of Redis", (commands) => Response.json(commands.map(() => ({ error: "OOM command not allowed" })))],
  ["the same NOSCRIPT again and again", (commands) => Response.json(commands.map(() => ({ error: "NOSCRIPT No" })))],
  ["HTTP 400 for the whole", json({ error: "ERR max request size exceeded" }, 400)],
];

test.each(WRONG)("%s fails its question alone: the endpoint is not given up", async (_what, wrong) => {
  const endpoint = new Endpoint();
  endpoint.answer = wrong;
  const metrics = new Metrics();
  await using upstash = open(endpoint, { metrics });
  for (let i = 0; i < 10; i++) expect(await codeOf(upstash.ask(echo("x")))).toBe("SYSTEM");
  expect(upstash.problem).toBeUndefined();
  expect(metrics.read("petrel_redis_wrong_total")).toBe(10);
  expect(metrics.read("petrel_redis_breaker_open")).toBe(0);
});

test("what may be repeated is, what may not is not", async () => {
  const endpoint = new Endpoint();
  let failing = 1;
  endpoint.answer = (commands, signal) => failing-- > 0 ? new Response("", { status: 502 }) : healthy(commands, signal);
  await using upstash = open(endpoint);
  expect(await Promise.all([codeOf(upstash.ask(echo("once", false))), codeOf(upstash.ask(echo("again")))]))
    .toEqual(["SYSTEM", "answered"]);
  expect(endpoint.commands.filter((command) => command.includes("once")).length).toBe(1);
  expect(endpoint.commands.filter((command) => command.includes("again")).length).toBe(2);
});

test("a Redis that is loading is asked again", async () => {
  const endpoint = new Endpoint();
  let loading = 2;
  endpoint.answer = (commands, signal) =>
    loading-- > 0
      ? Response.json(commands.map(() => ({ error: "LOADING Redis is loading the dataset in memory" })))
      : healthy(commands, signal);
  await using upstash = open(endpoint);
  expect(await upstash.ask(echo("x", false))).toBe("x");
});

test("scripts travel as text once, then as digest, and as text again after Redis has forgotten them", async () => {
  const endpoint = new Endpoint();
  await using upstash = open(endpoint);
  await upstash.ask(echo("a"));
  await upstash.ask(echo("b"));
  endpoint.answer = (commands) =>
    Response.json(commands.map(([name, , , , text]) => {
      return name === "evalsha" ? { error: "NOSCRIPT No matching script." } : { result: text };
    }));
  expect(await Promise.all(["c", "d"].map((text) => upstash.ask(echo(text))))).toEqual(["c", "d"]);
  expect(endpoint.commands.map(([name]) => name)).toEqual(["eval", "evalsha", "evalsha", "evalsha", "eval", "eval"]);
});

test("after five failures nobody is sent any more, until a probe comes through", async () => {
  const clock = new FakeClock();
  const endpoint = new Endpoint();
  const metrics = new Metrics();
  endpoint.answer = () => new Response("", { status: 500 });
  await using upstash = open(endpoint, { clock, metrics });
  for (let i = 0; i < 5; i++) expect(await codeOf(upstash.ask(echo("x", false)))).toBe("SYSTEM");
  expect(metrics.read("petrel_redis_breaker_open")).toBe(1);
  for (let i = 0; i < 50; i++) expect(await codeOf(upstash.ask(echo("x")))).toBe("SYSTEM");
  expect(endpoint.requests).toBe(5);
  const pass = async (ms: number) => {
    clock.advance(ms);
    await new Promise((go) => setTimeout(go, 5));
  };
  await pass(300); // a probe of its own: nobody asked
  expect(endpoint.requests).toBe(6);
  expect(endpoint.commands.at(-1)).toEqual(["ping"]);
  await pass(300); // it failed: now it takes longer
  expect(endpoint.requests).toBe(6);
  endpoint.answer = healthy;
  await pass(2_000);
  expect(endpoint.requests).toBe(7);
  expect(upstash.problem).toBeUndefined();
  expect(await codeOf(upstash.ask(echo("x")))).toBe("answered");
  expect(metrics.read("petrel_redis_breaker_open")).toBe(0);
  clock.advance(10_000);
});

test("a question that cannot be put fails alone", async () => {
  const endpoint = new Endpoint();
  await using upstash = open(endpoint);
  const bad: Question<string> = {
    ...echo("x"),
    command: () => {
      throw new Error("A question of the tests throws");
    },
  };
  const thrower: Question<string> = {
    ...echo("x"),
    read: () => {
      throw new Error("A reader of the tests throws");
    },
  };
  expect(await Promise.all([bad, echo("fine"), thrower].map((one) => codeOf(upstash.ask(one)))))
    .toEqual(["SYSTEM", "answered", "SYSTEM"]);
});

test("closing answers what can be answered in a second, and rejects the rest", async () => {
  const endpoint = new Endpoint();
  const upstash = open(endpoint);
  const answered = codeOf(upstash.ask(echo("x")));
  await upstash[Symbol.asyncDispose]();
  expect(await answered).toBe("answered");
  const silentEndpoint = new Endpoint();
  silentEndpoint.answer = (_commands, signal) =>
    new Promise((_, reject) => signal.onabort = () => reject(signal.reason));
  const other = open(silentEndpoint);
  const waiting = codeOf(other.ask(echo("x")));
  await other[Symbol.asyncDispose]();
  expect(await waiting).toBe("SYSTEM");
  expect(await codeOf(other.ask(echo("x")))).toBe("SYSTEM");
});

test.each([["", "t"], ["redis://x", "t"], ["https://x", ""], ["https://x", "a b"], ["https://x", "a\nb"]])(
  "url %j with token %j is a mistake in the settings",
  (url, token) => {
    expect(() => new Upstash({ url, token, clock: systemClock, log: silent })).toThrow("Cannot use Upstash Redis");
  },
);

function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({ pull: (out) => out.enqueue(new Uint8Array(1 << 20)) });
}

function broken(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(out) {
      out.enqueue(new Uint8Array([91]));
      out.error(new Error("the stream broke"));
    },
  });
}

function stalled(signal: AbortSignal): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (out) => signal.addEventListener("abort", () => out.error(signal.reason)) });
}

test("a stop answers what was about to be asked again", async () => {
  const endpoint = new Endpoint();
  endpoint.answer = () => new Response("no", { status: 500 });
  const upstash = open(endpoint, { random: () => 0.999 });
  const asked = codeOf(upstash.ask(echo("a")));
  while (endpoint.requests === 0) await new Promise((go) => setTimeout(go, 1));
  await new Promise((go) => setTimeout(go, 10));
  await upstash[Symbol.asyncDispose]();
  expect(await Promise.race([asked, new Promise((go) => setTimeout(go, 1_000, "nothing"))])).toBe("SYSTEM");
});
