import { describe, expect, test } from "bun:test";
import { ImError } from "../base/errors.ts";
import { FakeClock } from "../base/fake_clock.ts";
import { CLOSE, type CloseName } from "../protocol/close_reason.ts";
import { SIGN_IN } from "./commands.ts";
import { fakeClient, FakeServer, settle } from "./fake_server.ts";
import { onWake } from "./wake.ts";

const fails = (promise: Promise<unknown>) => promise.then(() => undefined, (error: unknown) => error as ImError);

function networkIsBack(): void {
  (globalThis as unknown as EventTarget).dispatchEvent(new Event("online"));
}

async function online(server: FakeServer, clock: FakeClock, options: Parameters<typeof fakeClient>[2] = {}) {
  const all = fakeClient(server, clock, options);
  await all.client.login();
  await settle();
  return all;
}

describe("login", () => {
  test("tells the states, the account, and resolves once", async () => {
    const server = new FakeServer();
    const { client, states } = fakeClient(server, new FakeClock());
    expect(client.state).toBe("offline");
    const both = [client.login(), client.login()];
    await Promise.all(both);
    await client.login();
    expect(states.map(({ state }) => state)).toEqual(["connecting", "online"]);
    expect(client.account).toBe("bob");
    expect(server.dialled).toEqual(["ws://one"]);
  });

  test("goes on trying while nobody can be reached, with a growing back-off", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.down.add("ws://one");
    const { client, states } = fakeClient(server, clock);
    const login = client.login();
    await settle();
    for (let i = 0; i < 9; i++) {
      clock.advance(15_000);
      await settle();
    }
    const waits = states.map(({ retryInMs }) => retryInMs).filter((ms) => ms !== undefined);
    expect(waits.slice(0, 8)).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
    server.down.clear();
    clock.advance(15_000);
    await login;
    expect(client.state).toBe("online");
  });

  test("a refused token ends it: UNAUTHORIZED, and no second attempt", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.answer = ({ header }) => header.command === SIGN_IN ? 105 : undefined;
    const { client, closed } = fakeClient(server, clock);
    expect((await fails(client.login()))?.code).toBe("UNAUTHORIZED");
    expect(closed).toMatchObject([{ why: CLOSE.UNAUTHORIZED, error: { code: "UNAUTHORIZED" } }]);
    clock.advance(120_000);
    await settle();
    expect(server.dialled).toHaveLength(1);
  });

  test.each([[101, "INVALID_BODY"], [103, "INVALID_COMMAND"], [106, "QUOTA"]])(
    "status %d at login ends it as %s",
    async (status, code) => {
      const server = new FakeServer();
      server.answer = () => status;
      const { client } = fakeClient(server, new FakeClock());
      expect((await fails(client.login()))?.code).toBe(code as ImError["code"]);
      expect(client.state).toBe("closed");
    },
  );

  test.each([[300], [302], [404], [399]])("status %d at login is tried again", async (status) => {
    const server = new FakeServer();
    const clock = new FakeClock();
    let once = true;
    server.answer = () => once ? (once = false, status) : undefined;
    const { client } = fakeClient(server, clock);
    const login = client.login();
    await settle();
    expect(client.state).toBe("offline");
    clock.advance(250);
    await login;
    expect(server.channels).toHaveLength(2);
  });

  test("an attempt that takes 8 s is given up, at whatever point it is stuck", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.answer = () => "silence";
    const { client, states } = fakeClient(server, clock);
    void client.login();
    await settle();
    clock.advance(8_000);
    expect(client.state).toBe("offline");
    expect(states.at(-1)?.why?.reason).toBe("no answer");
    const stuck = fakeClient(server, clock, { connect: () => ({ send() {}, close() {} }) });
    void stuck.client.login();
    await settle();
    clock.advance(8_000);
    expect(stuck.client.state).toBe("offline");
  });

  test("an address the transport cannot take is one that cannot be reached", async () => {
    const clock = new FakeClock();
    const { client } = fakeClient(new FakeServer(), clock, {
      connect: () => {
        throw new Error("no such scheme");
      },
    });
    void client.login();
    await settle();
    clock.advance(0);
    expect(client.state).toBe("offline");
  });

  test("closing while it tries rejects it", async () => {
    const server = new FakeServer();
    server.down.add("ws://one");
    const { client } = fakeClient(server, new FakeClock());
    const login = fails(client.login());
    await settle();
    await client.close();
    expect((await login)?.code).toBe("CLOSED");
    expect((await fails(client.login()))?.code).toBe("CLOSED");
  });

  test("options that cannot work are refused at once", () => {
    const server = new FakeServer();
    const make = (options: Parameters<typeof fakeClient>[2]) => () => fakeClient(server, new FakeClock(), options);
    expect(make({ url: [] })).toThrow(ImError);
    expect(make({ url: "not a url" })).toThrow(ImError);
    expect(make({ device: "a b" })).toThrow(ImError);
    expect(make({ device: "" })).toThrow(ImError);
  });
});

describe("reconnecting", () => {
  test("a lost connection comes back by itself", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { states } = await online(server, clock);
    server.channels[0]!.cut();
    await settle();
    clock.advance(250);
    await settle();
    expect(states.map(({ state }) => state)).toEqual(["connecting", "online", "offline", "connecting", "online"]);
    expect(states[2]).toEqual({ state: "offline", why: CLOSE.GONE, retryInMs: 250 });
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
    const { states } = await online(server, clock);
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
    expect([await cut(0), await cut(0), await cut(9_000), await cut(10_000), await cut(0)]).toEqual(
      [250, 500, 1_000, 250, 500],
    );
  });

  test("a token function is asked at every login", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    let asked = 0;
    const token = () => (asked++, Promise.resolve("bob"));
    await online(server, clock, { token });
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

  test.each(Object.entries(CLOSE).map(([name, why]) => [name as CloseName, why] as const))(
    "the server closes with %s: its row decides whether the client comes back",
    async (_name, why) => {
      const server = new FakeServer();
      const clock = new FakeClock();
      const { client, closed } = await online(server, clock);
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
      const { client } = await online(server, new FakeClock());
      server.channels[0]!.close({ code, reason: "new", reconnect: false });
      await settle();
      expect(client.state).toBe(reconnect ? "offline" : "closed");
    },
  );

  test("a gateway that shuts down is told as drain", async () => {
    const server = new FakeServer();
    const { client } = await online(server, new FakeClock());
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
      const { client } = await online(server, clock, { token });
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

describe("kicked", () => {
  test("by a login of the same device: the client ends and never comes back", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const first = await online(server, clock, { device: "phone" });
    const kicked: string[] = [];
    first.client.on("kicked", ({ channelId }) => void kicked.push(channelId));
    const laptop = await online(server, clock, { device: "laptop" });
    expect(first.client.state).toBe("online");
    const second = await online(server, clock, { device: "phone" });
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
    const { client } = await online(server, new FakeClock());
    const channel = server.channels[0]! as { id: string; kick(): void };
    channel.id = "gw_before";
    channel.kick();
    await settle();
    expect(client.state).toBe("online");
  });
});

describe("heartbeat", () => {
  test("pings as often as the login said; silence for 10 s after a ping is the end of the connection", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.heartbeatMs = 5_000;
    const { client, states } = await online(server, clock);
    for (let i = 0; i < 20; i++) {
      clock.advance(5_000);
      await settle();
    }
    expect(client.state).toBe("online");
    server.pongs = false;
    clock.advance(5_000);
    await settle();
    clock.advance(9_999);
    expect(client.state).toBe("online");
    clock.advance(1);
    expect(states.at(-1)).toMatchObject({ state: "offline", why: { reason: "server is silent" } });
  });

  test("any packet counts as a sign of life", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await online(server, clock);
    server.pongs = false;
    for (let i = 0; i < 12; i++) {
      clock.advance(9_000);
      server.say("ann", "bob", "hi");
      await settle();
    }
    expect(client.state).toBe("online");
  });

  test("25 s when the server does not say", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.heartbeatMs = 0;
    const { client } = await online(server, clock);
    server.pongs = false;
    clock.advance(34_999);
    expect(client.state).toBe("online");
    clock.advance(1);
    expect(client.state).toBe("offline");
  });
});

describe("waking up", () => {
  function page(visibilityState = "visible") {
    const listeners = new Map<string, () => void>();
    const addEventListener = (type: string, listener: () => void) => void listeners.set(type, listener);
    const removeEventListener = (type: string) => void listeners.delete(type);
    const document = { addEventListener, removeEventListener, visibilityState };
    return { listeners, page: { addEventListener, removeEventListener, document }, document };
  }

  test("the network is back, or the page is shown: told, until it is ended", () => {
    const { listeners, page: made, document } = page();
    let woken = 0;
    const end = onWake(() => void woken++, made);
    listeners.get("online")!();
    listeners.get("visibilitychange")!();
    document.visibilityState = "hidden";
    listeners.get("visibilitychange")!();
    expect(woken).toBe(2);
    end();
    expect(listeners.size).toBe(0);
  });

  test("a runtime without these events is fine", () => {
    onWake(() => {}, {})();
  });

  test("a client that waits for its next attempt makes it at once", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await online(server, clock);
    server.down.add("ws://one");
    server.channels[0]!.cut();
    for (let i = 0; i < 8; i++) {
      await settle();
      clock.advance(15_000);
    }
    await settle();
    server.down.clear();
    expect(client.state).toBe("offline");
    networkIsBack();
    await settle();
    expect(client.state).toBe("online");
    await client.close();
  });

  test("a client that believes it is online finds out within 10 s", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await online(server, clock);
    server.pongs = false;
    networkIsBack();
    clock.advance(10_000);
    expect(client.state).toBe("offline");
    await client.close();
  });
});

describe("listeners", () => {
  test("one that throws disturbs nobody, one that was taken away is not called", async () => {
    const server = new FakeServer();
    const { client } = fakeClient(server, new FakeClock());
    const seen: string[] = [];
    client.on("state", () => {
      throw new Error("broken");
    });
    const end = client.on("state", ({ state }) => void seen.push(state));
    client.on("state", ({ state }) => state === "online" && end());
    await client.login();
    await client.close();
    expect(seen).toEqual(["connecting", "online"]);
  });

  test("closing from any listener or handler is safe", async () => {
    for (const at of ["connecting", "online", "offline", "message", "sent"]) {
      const server = new FakeServer();
      const clock = new FakeClock();
      for (let i = 0; i < 500; i++) server.say("ann", "bob", String(i));
      const { client, closed } = fakeClient(server, clock);
      client.on("state", ({ state }) => state === at && void client.close());
      client.on("sent", () => at === "sent" && void client.close());
      client.onMessage(() => at === "message" ? void client.close() : undefined);
      client.talk("ann", "1");
      client.talk("ann", "2");
      void fails(client.login());
      await settle();
      server.channels.at(-1)?.cut();
      await settle();
      clock.advance(60_000);
      await settle();
      expect(closed).toHaveLength(1);
      expect(client.state).toBe("closed");
    }
  });
});
