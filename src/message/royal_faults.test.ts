import { describe, expect, test } from "bun:test";
import { change, group } from "../../tests/contract/group_talk.ts";
import { talk } from "../../tests/contract/message_talk.ts";
import { testApp } from "../../tests/support/royal_stand.ts";
import { tempDir } from "../../tests/support/temp.ts";
import { FakeClock } from "../base/fake_clock.ts";
import { ImError } from "../base/errors.ts";
import { encodeAs } from "../protocol/content.ts";
import { decodeBody, encodeBody } from "../protocol/bodies.ts";
import * as rpc from "../protocol/gen/rpc_messages.ts";
import { signed } from "../../tests/support/royal_stand.ts";
import type { AppendResult } from "./message_store.ts";
import { RoyalStore } from "./royal.ts";
import { openSqliteStore } from "./sqlite.ts";

type Answer = (request: Request, body: Uint8Array) => Response | Promise<Response>;

/** `fetch` by hand: the pulse's own questions are answered, everything else goes to `answer`. */
function handFetch(answer: Answer): typeof fetch {
  const run = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(`${input}`, init);
    const body = new Uint8Array(await request.arrayBuffer());
    if (request.url.endsWith("/im/health")) return protobuf(encodeBody(rpc.HealthResp, {}));
    const aborted = new Promise<never>((_, reject) => {
      init?.signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
    });
    return await Promise.race([Promise.resolve(answer(request, body)), aborted]);
  };
  return Object.assign(run, { preconnect: () => {} });
}

function protobuf(body: Uint8Array, status = 200): Response {
  return new Response(Uint8Array.from(body), { status, headers: { "content-type": "application/x-protobuf" } });
}

function problem(code: string, status: number): Response {
  return protobuf(encodeAs("protobuf", rpc.ErrorBody, { code, message: `Cannot: ${code}` }), status);
}

const STORED = { error: "", reason: "", messageId: 7n, sendTime: 1n, seq: 1, senderPos: 1, receiverPos: 1 };
const success = () =>
  protobuf(encodeBody(rpc.AppendResp, {
    results: [{ ...STORED, duplicate: false, group: false, room: false, fan: [] }],
  }));
const refusedConnection = () => Promise.reject(new TypeError("Unable to connect: Connection refused"));
const brokenConnection = () => Promise.reject(new TypeError("The socket connection was closed unexpectedly"));

/** A store whose royal is `answer`, on a clock of the test's. */
function store(answer: Answer) {
  const clock = new FakeClock();
  const asked: rpc.AppendReq[] = [];
  const client = new RoyalStore({
    url: "http://royal.test/prefix/",
    clock,
    random: () => 0.5,
    fetch: handFetch((request, body) => {
      if (request.url.endsWith("/im/append")) asked.push(decodeBody(rpc.AppendReq, body));
      return answer(request, body);
    }),
  });
  /** Lets time pass until there is an answer, at most `ms`. */
  const after = async <T>(promise: Promise<T>, ms: number, step = 50): Promise<T | "nothing yet"> => {
    let result: { value: T } | undefined;
    void promise.then((value) => result = { value });
    for (let passed = 0; passed <= ms && !result; passed += step) {
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (!result) clock.advance(step);
    }
    return result ? result.value : "nothing yet";
  };
  const append = (more = {}) =>
    client.append([{ ...talk("ann", "bob"), startBy: clock.mono() + 4_000, ...more }]).then(([one]) => codeOf(one!));
  return { client, clock, asked, append, after };
}

function codeOf(result: AppendResult): string {
  return result instanceof ImError ? result.code : "stored";
}

describe("a store behind HTTP", () => {
  test("that was never reached refuses after 4 s: nothing is stored", async () => {
    const { append, after, asked, client } = store(refusedConnection);
    expect(await after(append(), 3_500)).toBe("nothing yet");
    expect(await after(append(), 1_500)).not.toBe("stored");
    expect(asked.length).toBeGreaterThan(10);
    expect(asked.every(({ appends }) => !appends[0]!.again)).toBe(true);
    expect(client.health().problem).toContain("nobody answers there");
  });

  test("whose answer was lost is asked again, with the same key, for as long as it takes", async () => {
    let answers: Answer = brokenConnection;
    const { append, after, asked } = store((...args) => answers(...args));
    const stored = append();
    expect(await after(stored, 60_000, 200)).toBe("nothing yet");
    answers = refusedConnection; // it may have arrived before: that it is gone now says nothing
    expect(await after(stored, 60_000, 200)).toBe("nothing yet");
    answers = success;
    expect(await after(stored, 5_000)).toBe("stored");
    const keys = new Set(asked.map(({ appends: [one] }) => `${one!.key!.scope} ${one!.key!.n}`));
    expect(keys.size).toBe(1);
    const [first, ...again] = asked.map(({ appends: [one] }) => ({ again: one!.again, waitMs: one!.waitMs }));
    expect(first).toEqual({ again: false, waitMs: 4_000 });
    for (const one of again) expect(one).toEqual({ again: true, waitMs: 0xffff_ffff });
  });

  test("that says nothing is asked again after 10 s; after 9 minutes it is only asked what became of it", async () => {
    let silent = true;
    const { append, after, asked } = store(() => silent ? new Promise(() => {}) : success());
    const stored = append();
    expect(await after(stored, 31_000)).toBe("nothing yet");
    expect(asked.length).toBe(4);
    expect(await after(stored, 560_000, 2_000)).toBe("nothing yet");
    expect(asked.at(-1)!.appends[0]).toMatchObject({ again: true, waitMs: 0 });
    silent = false;
    expect(await after(stored, 11_000)).toBe("stored");
  });

  test.each([
    ["lets nobody in", () => problem("UNAUTHORIZED", 401), "SYSTEM"],
    ["answers with a page of a proxy's", () => new Response("<html>", { status: 401 }), "SYSTEM"],
    ["is full", () => problem("BUSY", 503), "BUSY"],
    ["failed", () => problem("SYSTEM", 500), "SYSTEM"],
    ["knows another error", () => problem("FUNNY", 500), "SYSTEM"],
  ])("that %s refuses, and says what that means", async (_what, answer, code) => {
    const { append, after } = store(answer);
    expect(await after(append(), 6_000)).toBe(code);
  });

  test.each([
    ["stops", () => problem("CLOSED", 503)],
    ["says what nobody can read", () => protobuf(Uint8Array.of(0x0a, 0xff))],
    ["is behind a proxy that gave up", () => new Response("<html>", { status: 504 })],
  ])("that %s is asked again until there is an answer", async (_what, answer) => {
    let answers: Answer = answer;
    const { append, after } = store((...args) => answers(...args));
    const stored = append();
    expect(await after(stored, 20_000, 200)).toBe("nothing yet");
    answers = success;
    expect(await after(stored, 2_000)).toBe("stored");
  });

  test("a request that another server sent before is never refused unseen", async () => {
    let answers: Answer = refusedConnection;
    const { append, after } = store((...args) => answers(...args));
    const stored = append({ again: true });
    expect(await after(stored, 30_000, 200)).toBe("nothing yet");
    answers = success;
    expect(await after(stored, 2_000)).toBe("stored");
  });

  test.each([["by another server", { again: true }], ["before its answer was lost", {}]])(
    "a request that was sent %s is not refused by a royal that has too much to do",
    async (_, more) => {
      let answers: Answer = brokenConnection;
      const { append, after } = store((...args) => answers(...args));
      const stored = append(more);
      expect(await after(stored, 1_000)).toBe("nothing yet");
      answers = () => problem("BUSY", 503);
      expect(await after(stored, 30_000, 200)).toBe("nothing yet");
      answers = success;
      expect(await after(stored, 2_000)).toBe("stored");
    },
  );

  test("a stop waits 4 s for what is not known, and says CLOSED", async () => {
    const { append, after, client } = store(brokenConnection);
    const lost = append().catch((error) => codeOf(error));
    expect(await after(lost, 10_000)).toBe("nothing yet");
    client.hurry();
    expect(await after(lost, 3_900)).toBe("nothing yet");
    expect(await after(lost, 500)).toBe("CLOSED");
    await client[Symbol.asyncDispose]();
    expect(await append().catch((error) => codeOf(error))).toBe("CLOSED");
  });

  test("one request that changes something is in flight, and reads do not wait for it", async () => {
    const open: (() => void)[] = [];
    const { append, after, asked, client } = store((request) => {
      if (!request.url.endsWith("/im/append")) return protobuf(encodeBody(rpc.HeadsResp, { heads: [] }));
      return new Promise((resolve) => open.push(() => resolve(success())));
    });
    const all = [append(), append(), append()];
    expect(await after(client.heads("kim", []), 100)).toEqual([]);
    for (let n = 1; n <= 3; n++) {
      expect(asked.length).toBe(n);
      open[n - 1]!();
      expect(await after(all[n - 1]!, 100)).toBe("stored");
    }
  });

  test.each([1, 2, 3])(
    "answers dropped on the way (seed %d) leave everything once, in order, without holes",
    async (seed) => {
      await using folder = await tempDir();
      await using behind = await openSqliteStore({ directory: folder.path, sync: "normal", threads: false });
      const app = testApp(behind);
      let state = seed;
      const chance = () => (state = (state * 48_271) % 0x7fffffff) / 0x7fffffff;
      let dropped = 0;
      const late: Promise<unknown>[] = [];
      const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
        const luck = chance();
        const send = () => app.request(`${input}`, { ...init, signal: null });
        if (luck < 0.3) {
          dropped++;
          await send(); // carried out, and the answer is lost
          throw new TypeError("The socket connection was closed unexpectedly");
        }
        if (luck < 0.4) { // arrives when the next one was answered already
          late.push(new Promise((resolve) => setTimeout(resolve, 20)).then(send));
          throw new TypeError("The socket connection was closed unexpectedly");
        }
        if (luck < 0.5) throw new TypeError("Connection refused");
        return await send();
      };
      await using client = new RoyalStore({
        url: "http://royal.test",
        sign: signed,
        fetch: Object.assign(fetch, { preconnect: () => {} }),
        random: chance,
      });
      const names = ["ann", "bob", "cat"];
      const all = await Promise.all(Array.from({ length: 60 }, (_, i) => {
        const n = { scope: `channel ${i % 3}`, n: Math.floor(i / 3) + 1, low: 1 };
        const key = i % 2 === 0 ? { key: n } : {};
        return client.append([{ ...talk(names[i % 3]!, names[(i + 1) % 3]!, { body: `${i}` }), ...key }]);
      }));
      await Promise.all(late);
      expect(dropped).toBeGreaterThan(5);
      expect(all.flat().map(codeOf)).toEqual(all.map(() => "stored"));
      for (const name of names) {
        const { rows } = await behind.messages("kim", name, { after: 0, limit: 1_000 });
        expect(rows.map((row) => row.pos)).toEqual(rows.map((_, at) => at + 1));
        const bodies = rows.map((row) => Number(row.body));
        expect(bodies).toEqual([...new Set(bodies)].sort((a, b) => a - b));
        expect(bodies.length).toBe(40);
      }
    },
  );

  test.each([["join", "quit"], ["quit", "join"]] as const)(
    "a %s that arrives after a later %s was answered changes nothing",
    async (first, then) => {
      await using folder = await tempDir();
      await using behind = await openSqliteStore({ directory: folder.path, sync: "normal", threads: false });
      const { id } = await behind.createGroup(group("ann", first === "join" ? [] : ["bob"]));
      const app = testApp(behind);
      let late: (() => Response | Promise<Response>) | undefined;
      const fetch = (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
        const send = () => app.request(`${input}`, { ...init, signal: null });
        if (late || !`${input}`.endsWith(`/im/group/${first}`)) return Promise.resolve(send());
        late = send;
        return Promise.reject(new TypeError("The socket connection was closed unexpectedly"));
      };
      await using client = new RoyalStore({
        url: "http://royal.test",
        sign: signed,
        fetch: Object.assign(fetch, { preconnect: () => {} }),
      });
      for (const verb of [first, then]) expect((await client[verb](change(id, ["bob"]))).changed).toEqual(["bob"]);
      await late!(); // whatever it is told: nobody waits for it
      expect(await client.isMember("kim", id, "bob")).toBe(then === "join");
    },
  );
});

test("many reads that find no store do not ask it without end", async () => {
  let attempts = 0;
  const { client, after } = store(() => {
    attempts++;
    return refusedConnection();
  });
  const reads = Array.from(
    { length: 2_000 },
    (_, i) => client.acked("kim", `user${i}`, "").catch((error) => error.code),
  );
  expect(new Set(await after(Promise.all(reads), 8_000, 250))).toEqual(new Set(["SYSTEM"]));
  expect(attempts).toBeLessThan(16_000);
});
