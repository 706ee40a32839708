import { describe, expect, test } from "bun:test";
import { FakeClock } from "../base/fake_clock.ts";
import { fakeClient, FakeServer, onlineClient, settle } from "./fake_server.ts";
import type { Connect } from "./socket.ts";
import { onWake } from "./wake.ts";

function networkIsBack(): void {
  (globalThis as unknown as EventTarget).dispatchEvent(new Event("online"));
}

describe("heartbeat", () => {
  test("pings as often as the login said; silence for 10 s after a ping is the end of the connection", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.heartbeatMs = 5_000;
    const { client, states } = await onlineClient(server, clock);
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
    const { client } = await onlineClient(server, clock);
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
    const { client } = await onlineClient(server, clock);
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
    const end = onWake(() => void woken++, new FakeClock(), made);
    listeners.get("online")!();
    listeners.get("visibilitychange")!();
    document.visibilityState = "hidden";
    listeners.get("visibilitychange")!();
    expect(woken).toBe(2);
    listeners.get("pageshow")!();
    expect(woken).toBe(3);
    end();
    expect(listeners.size).toBe(0);
  });

  test("a runtime without these events is fine", () => {
    onWake(() => {}, new FakeClock(), {})();
  });

  test("after sleep, or when the clock was set: timers come late by one clock or the other", () => {
    const { page: made, document } = page();
    const clock = new FakeClock();
    let woken = 0;
    const end = onWake(() => void woken++, clock, made);
    clock.advance(3_600_000); // nothing special
    expect(woken).toBe(0);
    for (const ms of [14_000, -14_000]) (clock.jump(ms), clock.advance(5_000));
    expect(woken).toBe(0);
    for (const ms of [16_000, -3_600_000, 3_600_000]) (clock.jump(ms), clock.advance(5_000));
    expect(woken).toBe(3);
    document.visibilityState = "hidden";
    clock.jump(60_000);
    clock.advance(5_000);
    expect(woken).toBe(3);
    end();
    document.visibilityState = "visible";
    clock.jump(60_000);
    clock.advance(5_000);
    expect(woken).toBe(3);
  });

  test("a client that slept tries at once, or finds out whether it is still connected", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await onlineClient(server, clock);
    server.pongs = false;
    clock.jump(3_600_000);
    clock.advance(5_000);
    expect(client.state).toBe("online");
    clock.advance(4_000);
    expect(client.state).toBe("offline");
    await client.close();
  });

  test("a client that waits for its next attempt makes it at once", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await onlineClient(server, clock);
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

  test("a client whose attempt hangs makes another at once; one that has just begun is left alone", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    let hangs = true;
    const connect: Connect = (url, events) => hangs ? { send() {}, close() {} } : server.connect(url, events);
    const { client, states } = fakeClient(server, clock, { connect });
    void client.login();
    await settle();
    hangs = false;
    clock.advance(1_999);
    networkIsBack();
    await settle();
    expect(client.state).toBe("connecting");
    clock.advance(1);
    networkIsBack();
    await settle();
    expect(states.map(({ state }) => state)).toEqual(["connecting", "offline", "connecting", "online"]);
    await client.close();
  });

  test("a client that believes it is online finds out within 4 s", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await onlineClient(server, clock);
    server.pongs = false;
    networkIsBack();
    clock.advance(3_999);
    expect(client.state).toBe("online");
    clock.advance(1);
    expect(client.state).toBe("offline");
    await client.close();
  });
});
