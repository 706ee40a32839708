import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../src/base/fake_clock.ts";
import type { Downlink, DownlinkEvents, Downward, Upward } from "../../src/container/link.ts";
import { encodeAs } from "../../src/protocol/content.ts";
import * as pkt from "../../src/protocol/gen/pkt_messages.ts";
import { FLAG, makeHeader } from "../../src/protocol/header.ts";
import { API_KEY, ApiStand, type Told } from "../support/api_stand.ts";
import { until } from "../support/until.ts";

const MESSAGE = { from: "ann", to: "bob", body: "hello" };
const codeOf = ({ status, body }: Told) => [status, body["code"]];

/** A logic server that keeps what it is asked until the test answers. */
class Silent implements DownlinkEvents {
  readonly asked: Upward[] = [];
  readonly #inner: DownlinkEvents | undefined;
  #from: Downlink | undefined;

  /** @param inner does the work; its answers get lost. */
  constructor(inner?: DownlinkEvents) {
    this.#inner = inner;
  }

  up(packet: Upward, from: Downlink): void {
    this.#from = from;
    this.asked.push(packet);
    this.#inner?.up(packet, { peerId: from.peerId, incarnation: "", send: () => true });
  }

  closed(): void {}

  answer(at: number, status: number, message: Partial<pkt.MessageResp> = {}, more: Partial<Downward> = {}): void {
    const { header: { command, sequence }, gateId } = this.asked[at]!;
    const body = status === 0
      ? encodeAs("json", pkt.MessageResp, message)
      : encodeAs("json", pkt.ErrorResp, { message: "no" });
    const header = makeHeader(command, { sequence, flag: FLAG.RESPONSE, status });
    this.#from!.send({ header, body, gateId, channels: [], positions: [], own: false, answers: 1, ...more });
  }
}

/** The API with a clock of the test and silent servers in place of the real one. */
async function silentStand(config: { mostAtOnce?: number } = {}) {
  const clock = new FakeClock();
  const stand = await ApiStand.start({ clock, config });
  stand.link.cut();
  const server = new Silent();
  const link = stand.attach(server);
  return { stand, clock, server, link, [Symbol.asyncDispose]: () => stand[Symbol.asyncDispose]() };
}

describe("a link that breaks", () => {
  test("sends what waits to another server, in order, with the same keys", async () => {
    await using it = await silentStand();
    const { stand, server, link } = it;
    const sent = ["one", "two", "three"].map((body) => stand.ask("POST", "messages", { ...MESSAGE, body }));
    await until(() => server.asked.length === 3);
    const second = new Silent();
    stand.attach(second, "chat02");
    expect(second.asked).toEqual([]);
    link.cut();
    expect(second.asked).toEqual(server.asked.map((one) => ({ ...one, again: true })));
    const keys = second.asked.map(({ key }) => key!);
    expect(keys.map(({ n, low }) => [n, low])).toEqual([[1, 1], [2, 1], [3, 1]]);
    expect(new Set(keys.map(({ scope }) => scope)).size).toBe(1);
    for (const at of [0, 1, 2]) second.answer(at, 0, { messageId: 7n, sendTime: 8n, seq: at + 1 });
    expect((await Promise.all(sent)).map(({ body }) => body["seq"])).toEqual([1, 2, 3]);
    expect(stand.metrics.read("petrel_api_reforwarded_total")).toBe(3);
  });

  test("stores once what was stored before it broke, and answers with the first answer", async () => {
    await using stand = await ApiStand.start();
    stand.link.cut();
    const deaf = new Silent(stand.logic.logic);
    const link = stand.attach(deaf, "chat00");
    const sent = stand.ask("POST", "messages", MESSAGE);
    await until(async () =>
      (await stand.logic.store.history("kim", "bob", { account: "ann" }, { after: 0, limit: 9 })).head === 1
    );
    stand.attach();
    link.cut();
    const { status, body } = await sent;
    expect([status, body["seq"]]).toEqual([200, 1]);
    const group = await stand.ask("POST", "groups", { owner: "ann", name: "x" });
    expect(group.status).toBe(201);
    expect((await stand.ask("GET", "accounts/bob/history?with=ann")).body["head"]).toBe(1);
  });

  test("waits for a server while there is none, then is answered by it", async () => {
    await using it = await silentStand();
    const { stand, clock, server, link } = it;
    const sent = stand.ask("POST", "messages", MESSAGE);
    await until(() => server.asked.length === 1);
    link.cut();
    clock.advance(3_000);
    const later = new Silent();
    stand.attach(later, "chat02");
    expect(later.asked.map(({ again }) => again)).toEqual([true]);
    later.answer(0, 0, { messageId: 1n, sendTime: 2n, seq: 3 });
    expect((await sent).body).toEqual({ messageId: "1", sendTime: "2", seq: 3 });
  });

  test("is followed to four servers, no further; then nobody knows", async () => {
    await using it = await silentStand();
    const { stand, clock, server } = it;
    const sent = stand.ask("POST", "messages", MESSAGE);
    await until(() => server.asked.length === 1);
    for (let i = 0; i < 6; i++) {
      const old = stand.link;
      stand.attach(server, `chat1${i}`);
      old.cut();
    }
    expect(server.asked.length).toBe(4);
    clock.advance(5_000);
    expect(codeOf(await sent)).toEqual([504, "TIMEOUT"]);
  });

  test("a second server that says busy or failed does not know what the first one did: 504", async () => {
    for (const status of [302, 300]) {
      await using it = await silentStand();
      const { stand, server, link } = it;
      const sent = stand.ask("POST", "messages", MESSAGE);
      await until(() => server.asked.length === 1);
      const second = new Silent();
      stand.attach(second, "chat02");
      link.cut();
      second.answer(0, status);
      expect(codeOf(await sent)).toEqual([504, "TIMEOUT"]);
    }
  });
});

describe("an answer", () => {
  test("that does not come within 5 s is 504 and says that the outcome is not known; one that comes later is dropped", async () => {
    await using it = await silentStand();
    const { stand, clock, server } = it;
    const sent = stand.ask("POST", "messages", MESSAGE);
    await until(() => server.asked.length === 1);
    clock.advance(4_900);
    expect(await Promise.race([sent, "waits"])).toBe("waits");
    clock.advance(200);
    const told = await sent;
    expect(codeOf(told)).toEqual([504, "TIMEOUT"]);
    expect(String(told.body["message"])).toContain("not known");
    server.answer(0, 0, { messageId: 1n });
    const next = stand.ask("POST", "messages", MESSAGE);
    await until(() => server.asked.length === 2);
    expect(server.asked[1]!.key).toMatchObject({ n: 2, low: 2 });
    server.answer(1, 0, { messageId: 9n });
    expect((await next).body["messageId"]).toBe("9");
  });

  test.each([
    [302, 503, "BUSY"],
    [300, 500, "SYSTEM"],
    [301, 501, "NOT_IMPLEMENTED"],
    [105, 403, "FORBIDDEN"],
    [102, 409, "DUPLICATE_ID"],
    [106, 403, "QUOTA"],
    [100, 404, "NOT_FOUND"],
    [999, 500, "SYSTEM"],
  ])(
    "with status %d is HTTP %d %s",
    async (status, http, code) => {
      await using it = await silentStand();
      const { stand, server } = it;
      const sent = stand.ask("POST", "messages", MESSAGE);
      await until(() => server.asked.length === 1);
      server.answer(0, status);
      const told = await sent;
      expect(codeOf(told)).toEqual([http, code]);
      expect(told.headers.get("retry-after")).toBe(http === 503 ? "1" : null);
    },
  );

  test("of another gateway, for a channel, of another command, or a push, is nobody's", async () => {
    await using it = await silentStand();
    const { stand, server } = it;
    const sent = stand.ask("POST", "messages", MESSAGE);
    await until(() => server.asked.length === 1);
    const { sequence, command } = server.asked[0]!.header;
    server.answer(0, 0, {}, { gateId: "gate01" });
    server.answer(0, 0, {}, { channels: ["c"] });
    server.answer(0, 0, {}, { header: makeHeader("chat.read", { sequence, flag: FLAG.RESPONSE }) });
    server.answer(0, 0, {}, { header: makeHeader(command, { sequence, flag: FLAG.PUSH }) });
    server.answer(0, 0, { messageId: 5n });
    expect((await sent).body["messageId"]).toBe("5");
  });

  test("that does not parse says nothing about what was done: 504", async () => {
    await using it = await silentStand();
    const { stand, server } = it;
    const sent = stand.ask("POST", "messages", MESSAGE);
    await until(() => server.asked.length === 1);
    server.answer(0, 0, {}, { body: new TextEncoder().encode("{") });
    expect(codeOf(await sent)).toEqual([504, "TIMEOUT"]);
  });
});

describe("too much", () => {
  test("more at once than allowed is 503 with Retry-After, and was not sent", async () => {
    await using it = await silentStand({ mostAtOnce: 2 });
    const { stand, server } = it;
    const two = [stand.ask("POST", "messages", MESSAGE), stand.ask("POST", "messages", MESSAGE)];
    await until(() => server.asked.length === 2);
    const third = await stand.ask("POST", "messages", MESSAGE);
    expect([...codeOf(third), third.headers.get("retry-after")]).toEqual([503, "BUSY", "1"]);
    for (const at of [0, 1]) server.answer(at, 0);
    await Promise.all(two);
    const fourth = stand.ask("POST", "messages", MESSAGE);
    await until(() => server.asked.length === 3);
    server.answer(2, 0);
    expect((await fourth).status).toBe(200);
  });

  test("no server, a draining one, or a full link: 503, not sent", async () => {
    await using it = await silentStand();
    const { stand, link } = it;
    expect(stand.api.problem()).toBe(undefined);
    link.drain();
    expect(codeOf(await stand.ask("POST", "messages", MESSAGE))).toEqual([503, "BUSY"]);
    expect(stand.api.problem()).toBe("no logic server");
    link.cut();
    expect(codeOf(await stand.ask("GET", "groups/g4wmc1rcz2m8"))).toEqual([503, "BUSY"]);
    const full = { peerId: "full", zone: "", youngUntilMs: 0, state: "open" as const, send: () => false };
    stand.api.attach(full);
    expect(codeOf(await stand.ask("POST", "messages", MESSAGE))).toEqual([503, "BUSY"]);
  });

  test("a KIM server is not asked: it knows no requests without a channel", async () => {
    await using it = await silentStand();
    it.link.cut();
    it.stand.api.attach({ peerId: "kim", zone: "", youngUntilMs: 0, state: "open", kim: true, send: () => true });
    expect(codeOf(await it.stand.ask("POST", "messages", MESSAGE))).toEqual([503, "BUSY"]);
  });

  test("at a stop what is under way is answered, new requests are refused", async () => {
    await using stand = await ApiStand.start();
    const sent = Array.from({ length: 300 }, () => stand.ask("POST", "messages", MESSAGE));
    await until(() => stand.metrics.read("petrel_api_unanswered") > 0);
    const stopped = stand.api.quiesce(5_000);
    expect(codeOf(await stand.ask("POST", "messages", MESSAGE))).toEqual([503, "BUSY"]);
    expect(stand.api.problem()).toBe("it stops");
    await stopped;
    const statuses = new Set((await Promise.all(sent)).map(({ status }) => status));
    expect(statuses.has(200)).toBe(true);
    for (const status of statuses) expect([200, 503]).toContain(status);
  });

  test("a process that ends in the middle tells nobody a wrong outcome", async () => {
    await using it = await silentStand();
    const sent = it.stand.ask("POST", "messages", MESSAGE);
    await until(() => it.server.asked.length === 1);
    it.stand.api[Symbol.dispose]();
    expect(codeOf(await sent)).toEqual([504, "TIMEOUT"]);
  });
});

test("hundreds of requests at once while links are cut: each message is stored once, in its conversation's order", async () => {
  await using stand = await ApiStand.start();
  const others = Array.from({ length: 3 }, (_, i) => stand.attach(stand.logic.logic, `chat${i}`));
  let cut = 0;
  const senders = Array.from({ length: 8 }, async (_, s) => {
    const seqs: unknown[] = [];
    for (let i = 0; i < 40; i++) {
      if (s === 0 && i % 10 === 5) {
        stand.attach(stand.logic.logic, `new${i}`);
        others[cut++]?.cut();
      }
      const told = await stand.ask("POST", "messages", { from: `s${s}`, to: `r${s}`, body: `${i}` });
      expect([told.status, told.body["seq"]]).toEqual([200, i + 1]);
      seqs.push(told.body["seq"]);
    }
    return seqs.length;
  });
  expect(await Promise.all(senders)).toEqual(new Array(8).fill(40));
  const history = await stand.ask("GET", "accounts/r0/history?with=s0&limit=200");
  expect((history.body["messages"] as { body: string }[]).map(({ body }) => body)).toEqual(
    Array.from({ length: 40 }, (_, i) => `${i}`),
  );
});

test("the key of another run is another: what an earlier process sent is not taken for what this one sends", async () => {
  const scopes: string[] = [];
  for (const incarnation of ["a", "b"]) {
    await using stand = await ApiStand.start({ config: { incarnation, apiKey: API_KEY } });
    stand.link.cut();
    const server = new Silent();
    stand.attach(server);
    const sent = stand.ask("POST", "messages", MESSAGE);
    await until(() => server.asked.length === 1);
    scopes.push(server.asked[0]!.key!.scope);
    server.answer(0, 0);
    await sent;
  }
  expect(scopes[0]).not.toBe(scopes[1]);
  expect(scopes.every((scope) => /^\S+$/.test(scope))).toBe(true);
});
