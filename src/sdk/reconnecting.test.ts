import { describe, expect, test } from "bun:test";
import { ImError } from "../base/errors.ts";
import { FakeClock } from "../base/fake_clock.ts";
import { decodeBody } from "../protocol/bodies.ts";
import { CLOSE, type CloseName } from "../protocol/close_reason.ts";
import { pkt } from "../protocol/gen/pkt.js";
import { fakeClient, FakeServer, onlineClient, settle } from "./fake_server.ts";

const fails = (promise: Promise<unknown>) => promise.then(() => undefined, (error: unknown) => error as ImError);

describe("reconnecting", () => {
  test("a lost connection comes back by itself", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { states } = await onlineClient(server, clock);
    server.channels[0]!.cut();
    await settle();
    clock.advance(250);
    await settle();
    expect(states.map(({ state }) => state)).toEqual(["connecting", "online", "offline", "connecting", "online"]);
    expect(states[2]).toEqual({ state: "offline", why: CLOSE.GONE, retryInMs: 250 });
  });

  test("retryNow connects at once instead of waiting, and does nothing while online or before the login", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client, states } = await onlineClient(server, clock);
    client.retryNow();
    server.channels[0]!.cut();
    await settle();
    client.retryNow();
    await settle();
    expect(states.map(({ state }) => state)).toEqual(["connecting", "online", "offline", "connecting", "online"]);
    const { client: early } = fakeClient(server, clock);
    early.retryNow();
    await settle();
    expect(early.state).toBe("offline");
  });

  test("addresses are tried in their order, and the one that works is kept until it fails", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.down.add("ws://one").add("ws://two");
    const { client } = fakeClient(server, clock, { url: ["ws://one", "ws://two", "ws://three"] });
    const login = client.login();
    for (let i = 0; i < 4; i++) {
      await settle();
      clock.advance(2_000);
    }
    await login;
    expect(server.dialled).toEqual(["ws://one", "ws://two", "ws://three"]);
    server.down.clear();
    server.channels[0]!.cut();
    await settle();
    clock.advance(2_000);
    await settle();
    expect(server.dialled.at(-1)).toBe("ws://one");
  });

  test("the back-off starts over only after a connection that lasted", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { states } = await onlineClient(server, clock);
    const cut = async (afterMs: number) => {
      clock.advance(afterMs);
      await settle();
      server.channels.at(-1)!.cut();
      await settle();
      const { retryInMs } = states.at(-1)!;
      clock.advance(retryInMs!);
      await settle();
      return retryInMs;
    };
    expect([await cut(0), await cut(0), await cut(900), await cut(1_000), await cut(0)]).toEqual(
      [250, 500, 1_000, 250, 500],
    );
  });

  test("a token function is asked at every login", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    let asked = 0;
    const token = () => (asked++, Promise.resolve("bob"));
    await onlineClient(server, clock, { token });
    server.channels[0]!.cut();
    await settle();
    clock.advance(250);
    await settle();
    expect(asked).toBe(2);
  });

  test("a token function that fails is asked again later; one that says UNAUTHORIZED ends it", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const errors = [new Error("no network"), new ImError("UNAUTHORIZED", "Cannot log in: signed out")];
    const { client, closed } = fakeClient(server, clock, { token: () => Promise.reject(errors.shift()) });
    const login = fails(client.login());
    await settle();
    expect(client.state).toBe("offline");
    clock.advance(250);
    expect((await login)?.code).toBe("UNAUTHORIZED");
    expect(closed).toHaveLength(1);
    expect(server.dialled).toEqual([]);
  });

  test("a token that is refused at login: a function is asked for another once, then it ends", async () => {
    for (
      const [tokens, state, asked] of [[["old", "bob"], "online", 2], [["old", "old", "bob"], "closed", 2]] as const
    ) {
      const server = new FakeServer();
      const clock = new FakeClock();
      server.answer = ({ body }) => decodeBody(pkt.LoginReq, body).token === "old" ? 105 : undefined;
      const left = [...tokens];
      let count = 0;
      const { client } = fakeClient(server, clock, { token: () => (count++, left.shift()!) });
      const login = fails(client.login());
      await settle();
      clock.advance(500);
      await settle();
      expect(client.state).toBe(state);
      expect((await login)?.code).toBe(state === "closed" ? "UNAUTHORIZED" : undefined);
      expect(count).toBe(asked);
      await client.close();
    }
  });

  test("a server that is gone for a minute: nothing is lost, and waits stay below 30 s", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client, states, bodies } = await onlineClient(server, clock, { random: () => 0.999 });
    server.down.add("ws://one");
    server.channels[0]!.cut();
    server.say("ann", "bob", "meanwhile");
    const sent = client.talk("ann", "waits");
    for (let ms = 0; ms < 60_000; ms += 100) {
      await settle();
      clock.advance(100);
    }
    expect(sent.state).toBe("sending");
    expect(states.every(({ retryInMs = 0 }) => retryInMs < 30_000)).toBe(true);
    server.down.clear();
    for (let ms = 0; ms < 30_000; ms += 100) {
      await settle();
      clock.advance(100);
    }
    expect(sent.state).toBe("durable");
    expect(bodies()).toEqual(["meanwhile"]);
    expect(server.inbox("ann").map(({ body }) => body)).toEqual(["meanwhile", "waits"]);
  });

  test("a network that is cut every 2 s: everything arrives, once and in order", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client, bodies } = await onlineClient(server, clock);
    const wanted: string[] = [];
    const said: string[] = [];
    for (let ms = 0; ms < 120_000; ms += 100) {
      if (ms % 300 === 0) {
        server.say("ann", "bob", `in ${ms}`);
        wanted.push(`in ${ms}`);
        client.talk("eve", `out ${ms}`);
        said.push(`out ${ms}`);
      }
      clock.advance(100);
      if (ms % 2_000 === 0) server.channels.at(-1)!.cut(); // with that talk unanswered
      await settle();
    }
    for (let ms = 0; ms < 60_000; ms += 100) {
      clock.advance(100);
      await settle();
    }
    expect(bodies()).toEqual(wanted);
    expect(server.inbox("eve").map(({ body }) => body)).toEqual(said);
    expect(client.waiting).toEqual([]);
  });

  test.each(Object.entries(CLOSE).map(([name, why]) => [name as CloseName, why] as const))(
    "the server closes with %s: its row decides whether the client comes back",
    async (_name, why) => {
      const server = new FakeServer();
      const clock = new FakeClock();
      const { client, closed } = await onlineClient(server, clock);
      server.channels[0]!.close(why);
      await settle();
      expect(client.state).toBe(why.reconnect ? "offline" : "closed");
      expect(closed.map((event) => event.why)).toEqual(why.reconnect ? [] : [why]);
      clock.advance(500);
      await settle();
      expect(client.state).toBe(why.reconnect ? "online" : "closed");
    },
  );

  test.each([[1001, true], [1012, true], [4499, true], [4500, false], [4999, false]])(
    "close code %d that this client does not know: reconnect is %p",
    async (code, reconnect) => {
      const server = new FakeServer();
      const { client } = await onlineClient(server, new FakeClock());
      server.channels[0]!.close({ code, reason: "new", reconnect: false });
      await settle();
      expect(client.state).toBe(reconnect ? "offline" : "closed");
    },
  );

  test("a gateway that shuts down is told as drain", async () => {
    const server = new FakeServer();
    const { client } = await onlineClient(server, new FakeClock());
    const drains: string[] = [];
    client.on("drain", ({ url }) => void drains.push(url));
    server.channels[0]!.close(CLOSE.SHUTDOWN);
    await settle();
    expect(drains).toEqual(["ws://one"]);
    expect(client.state).toBe("offline");
  });

  test("an expired token: with a text the client ends, with a function it logs in anew", async () => {
    for (const token of ["bob", () => "bob"]) {
      const server = new FakeServer();
      const clock = new FakeClock();
      const { client } = await onlineClient(server, clock, { token });
      const told: boolean[] = [];
      client.on("tokenExpired", ({ renewing }) => void told.push(renewing));
      server.channels[0]!.close(CLOSE.TOKEN_EXPIRED);
      await settle();
      clock.advance(250);
      await settle();
      expect(told).toEqual([typeof token === "function"]);
      expect(client.state).toBe(typeof token === "function" ? "online" : "closed");
    }
  });
});

test("a revoked token: with a text the client ends with UNAUTHORIZED, with a function it logs in anew", async () => {
  for (const token of ["bob", () => "bob"]) {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await onlineClient(server, clock, { token });
    const closed: unknown[] = [];
    client.on("closed", ({ why, error }) => void closed.push([why, error.code]));
    server.channels[0]!.close(CLOSE.REVOKED);
    await settle();
    clock.advance(250);
    await settle();
    expect(client.state).toBe(typeof token === "function" ? "online" : "closed");
    expect(closed).toEqual(typeof token === "function" ? [] : [[CLOSE.REVOKED, "UNAUTHORIZED"]]);
  }
});

describe("kicked", () => {
  test("by a login of the same device: the client ends and never comes back", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const first = await onlineClient(server, clock, { device: "phone" });
    const kicked: string[] = [];
    first.client.on("kicked", ({ channelId }) => void kicked.push(channelId));
    const laptop = await onlineClient(server, clock, { device: "laptop" });
    expect(first.client.state).toBe("online");
    const second = await onlineClient(server, clock, { device: "phone" });
    expect(kicked).toEqual(["gw_1"]);
    expect(first.closed).toMatchObject([{ why: CLOSE.KICKED, error: { code: "UNAUTHORIZED" } }]);
    expect(server.channels[0]!.farewell).toEqual(CLOSE.KICKED);
    await Promise.all([laptop.client.close(), second.client.close()]);
    clock.advance(120_000);
    await settle();
    expect(server.dialled).toHaveLength(3);
  });

  test("a kick that names another channel is not meant", async () => {
    const server = new FakeServer();
    const { client } = await onlineClient(server, new FakeClock());
    const channel = server.channels[0]! as { id: string; kick(): void };
    channel.id = "gw_before";
    channel.kick();
    await settle();
    expect(client.state).toBe("online");
  });
});
