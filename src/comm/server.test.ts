// Over 300 lines: one test per rule of a server.
import { describe, expect, test } from "bun:test";
import { Metrics } from "../base/metrics.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import type { Admission, Refusal } from "./acceptor.ts";
import { ErrorLog, FakeConn, TestClock } from "./fake_conn.fixture.ts";
import type { Agent } from "./listeners.ts";
import { Server, type ServerOptions } from "./server.ts";

type Decision = Admission<string> | Refusal;

/** Lets in whoever says "login NAME", and keeps what it hears. */
class Bench {
  readonly clock = new TestClock();
  readonly log = new ErrorLog();
  readonly metrics = new Metrics();
  readonly heard: string[] = [];
  decide: (name: string, agent: Agent) => Decision | Promise<Decision> = (name) => ({
    id: name,
    data: `data of ${name}`,
  });
  readonly server: Server<string>;

  constructor(options: Partial<ServerOptions> = {}) {
    this.server = new Server<string>(options, {
      clock: this.clock,
      log: this.log,
      metrics: this.metrics,
      acceptor: {
        accept: (agent, packet) => {
          const [word, name = ""] = new TextDecoder().decode(packet).split(" ");
          return word === "login"
            ? this.decide(name, agent)
            : { refuse: CLOSE.NOT_LOGIN, reply: bytes("who are you?") };
        },
      },
      messages: {
        receive: (channel, packet) => void this.heard.push(`${channel.id}: ${new TextDecoder().decode(packet)}`),
        pinged: (channel) => void this.heard.push(`${channel.id}: ping`),
      },
      states: {
        connected: (channel) => void this.heard.push(`+${channel.id} ${channel.data}`),
        disconnected: (channel, why) => void this.heard.push(`-${channel.id} ${why.reason}`),
      },
    });
  }

  connect(remote?: string): FakeConn {
    const conn = new FakeConn(remote);
    // A refused connection is closed inside `accept`, before it has an owner.
    conn.events = { packet() {}, alive() {}, pinged() {}, drained() {}, closed() {} };
    conn.events = this.server.accept(conn);
    return conn;
  }

  login(name: string, remote?: string): FakeConn {
    const conn = this.connect(remote);
    conn.receives(`login ${name}`);
    return conn;
  }

  closes(why: CloseReason): number {
    return this.metrics.read("petrel_closes_total", { reason: why.reason });
  }
}

const bytes = (text: string) => new TextEncoder().encode(text);
const texts = (packets: readonly Uint8Array[]) => packets.map((one) => new TextDecoder().decode(one));
const settle = async () => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

describe("Server", () => {
  test("lets in by the first packet, and hands the rest to the listener", () => {
    const bench = new Bench();
    const conn = bench.connect();
    expect(conn.limitBytes).toBe(8 << 10);
    conn.receives("login ann");
    expect(conn.limitBytes).toBe(64 << 10);
    conn.receives("hello");
    conn.events.pinged();
    expect(bench.heard).toEqual(["+ann data of ann", "ann: hello", "ann: ping"]);
    expect([bench.server.channels.size, bench.server.connections, bench.server.arrivals]).toEqual([1, 1, 0]);
    expect([bench.server.push("ann", bytes("push")), bench.server.push("bob", bytes("push"))]).toEqual([true, false]);
    bench.clock.endTick();
    expect(texts(conn.sends[0]!)).toEqual(["push"]);
    conn.gone();
    expect(bench.heard.at(-1)).toBe("-ann peer gone");
    expect([bench.server.channels.size, bench.server.connections]).toEqual([0, 0]);
  });

  test("a refusal sends its reply, then closes; nobody is told of a channel", () => {
    const bench = new Bench();
    const conn = bench.connect();
    conn.receives("hi");
    expect(conn.calls).toEqual(["send 1", "close first packet is not a login"]);
    expect(texts(conn.sends[0]!)).toEqual(["who are you?"]);
    expect([bench.heard.length, bench.server.connections, bench.closes(CLOSE.NOT_LOGIN)]).toEqual([0, 0, 1]);
  });

  test("no first packet within 10 s: closed; pings do not help", () => {
    const bench = new Bench();
    const conn = bench.connect();
    for (let i = 0; i < 9; i++) {
      bench.clock.advance(1_000);
      conn.events.alive();
      conn.events.pinged();
    }
    expect(conn.why).toBeUndefined();
    bench.clock.advance(1_300);
    expect(conn.why).toBe(CLOSE.LOGIN_TIMEOUT);
    expect(bench.server.connections).toBe(0);
  });

  test("after the login the deadline is two minutes", () => {
    const bench = new Bench();
    const conn = bench.login("ann");
    bench.clock.advance(119_500);
    expect(conn.why).toBeUndefined();
    bench.clock.advance(1_000);
    expect(conn.why).toBe(CLOSE.IDLE);
    expect(bench.heard.at(-1)).toBe("-ann idle");
  });

  test("while the acceptor decides the peer is not read; what came meanwhile follows in order", async () => {
    const bench = new Bench();
    const { promise, resolve } = Promise.withResolvers<Decision>();
    bench.decide = () => promise;
    const conn = bench.login("ann");
    expect(conn.paused).toBe(true);
    conn.receives("one"); // was read together with the login
    conn.receives("two");
    resolve({ id: "ann", data: "" });
    await settle();
    expect([conn.paused, bench.heard]).toEqual([false, ["+ann ", "ann: one", "ann: two"]]);
  });

  test("more than 64 KiB before the decision are not kept", () => {
    const bench = new Bench();
    bench.decide = () => new Promise(() => {});
    const conn = bench.login("ann");
    for (let i = 0; i < 8; i++) conn.receives("x".repeat(8 << 10));
    expect(conn.why).toBeUndefined();
    conn.receives("x");
    expect(conn.why).toBe(CLOSE.OVERLOAD);
  });

  test("an acceptor that does not decide in time: closed with a reason that says reconnect", async () => {
    const bench = new Bench();
    const { promise, resolve } = Promise.withResolvers<Decision>();
    bench.decide = () => promise;
    const conn = bench.login("ann");
    bench.clock.advance(10_300);
    expect(conn.why).toBe(CLOSE.LOGIN_FAILED);
    resolve({ id: "ann", data: "" });
    await settle();
    expect(bench.heard).toEqual(["-ann peer gone"]); // whoever is let in is also told off
    expect(bench.server.channels.size).toBe(0);
  });

  test("an acceptor that throws or rejects: INTERNAL, logged once", async () => {
    const bench = new Bench();
    bench.decide = () => {
      throw new Error("planted");
    };
    expect(bench.login("ann").why).toBe(CLOSE.INTERNAL);
    bench.decide = () => Promise.reject(new Error("planted too"));
    const conn = bench.login("bob");
    await settle();
    expect(conn.why).toBe(CLOSE.INTERNAL);
    expect(bench.log.errors.map((error) => (error as Error).message)).toEqual(["planted", "planted too"]);
    expect([bench.heard.length, bench.server.connections]).toEqual([0, 0]);
  });

  test("the acceptor may answer through the agent before it has decided", () => {
    const bench = new Bench();
    bench.decide = (name, agent) => {
      agent.reply(bytes("welcome"));
      return { id: name, data: "" };
    };
    const conn = bench.login("ann");
    bench.clock.endTick();
    expect(texts(conn.sends.flat())).toEqual(["welcome"]);
  });

  test("an id that is taken is refused; with `replace` the older channel goes and its end takes nothing away", () => {
    const bench = new Bench();
    const first = bench.login("ann");
    const second = bench.login("ann");
    expect(second.why).toBe(CLOSE.LOGIN_FAILED);
    expect(first.why).toBeUndefined();
    bench.decide = (name) => ({ id: name, data: "newer", replace: true });
    first.quick = false;
    const third = bench.login("ann");
    expect(first.why).toBe(CLOSE.SHUTDOWN);
    expect(bench.server.channels.get("ann")?.data).toBe("newer");
    first.events.closed(CLOSE.SHUTDOWN);
    expect(bench.server.channels.get("ann")?.data).toBe("newer");
    third.gone();
    expect(bench.server.channels.size).toBe(0);
    expect(bench.heard.filter((line) => line.startsWith("-"))).toEqual([
      "-ann login failed",
      "-ann shutdown",
      "-ann peer gone",
    ]);
  });

  test("connections per address are limited, and free again when they end", () => {
    const bench = new Bench({ connectionsPerIp: 2 });
    const first = bench.login("a", "192.0.2.1:1");
    bench.login("b", "192.0.2.1:2");
    const third = bench.connect("192.0.2.1:3");
    expect(third.why).toBe(CLOSE.OVERLOAD);
    expect(bench.server.acceptFrom("192.0.2.1:4")).toBeUndefined();
    expect(bench.connect("192.0.2.2:1").why).toBeUndefined();
    expect(bench.connect("[2001:db8::1]:1").why).toBeUndefined();
    third.events.closed(CLOSE.OVERLOAD);
    expect(bench.connect("192.0.2.1:5").why).toBe(CLOSE.OVERLOAD);
    first.gone();
    expect(bench.connect("192.0.2.1:6").why).toBeUndefined();
  });

  test("a client behind a proxy counts, and is known, by its own address", () => {
    const bench = new Bench({ connectionsPerIp: 1 });
    let seen = "";
    bench.decide = (name, agent) => {
      seen = `${agent.remote} ${agent.remoteIp}`;
      return { id: name, data: "" };
    };
    const conn = new FakeConn("10.0.0.1:80");
    conn.events = bench.server.acceptFrom("[2001:db8::7]:0")!(conn);
    conn.receives("login ann");
    expect(seen).toBe("[2001:db8::7]:0 2001:db8::7");
    expect(bench.connect("10.0.0.1:80").why).toBeUndefined();
    expect(bench.server.acceptFrom("[2001:db8::7]:0")).toBeUndefined();
  });

  test("connections in all, and those that are not let in, are limited", () => {
    const bench = new Bench({ connections: 3, arrivals: 2 });
    bench.connect();
    const second = bench.connect();
    expect(bench.connect().why).toBe(CLOSE.OVERLOAD);
    second.receives("login ann");
    bench.connect();
    expect(bench.connect().why).toBe(CLOSE.OVERLOAD);
    expect(bench.metrics.read("petrel_connections_refused_total")).toBe(2);
  });

  test("stop: nobody new, every channel closed with SHUTDOWN evenly over the drain, what waits leaves first", async () => {
    const bench = new Bench({ drainMs: 5_000 });
    const conns = Array.from({ length: 100 }, (_, i) => bench.login(`c${i}`));
    const arrival = bench.connect();
    let accepting = true;
    let disposed = false;
    bench.server.listening({
      url: "",
      port: 0,
      stopAccepting: () => void (accepting = false),
      [Symbol.asyncDispose]: () => (disposed = true, Promise.resolve()),
    });
    bench.server.push("c99", bytes("last words"));
    const stopped = bench.server.stop();
    expect(bench.server.stop()).toBe(stopped);
    expect([accepting, disposed, arrival.why]).toEqual([false, false, CLOSE.SHUTDOWN]);
    expect(bench.connect().why).toBe(CLOSE.SHUTDOWN);
    expect(bench.server.acceptFrom("192.0.2.9:1")).toBeUndefined();
    bench.clock.advance(2_500);
    const half = conns.filter(({ why }) => why).length;
    expect(half).toBeGreaterThan(45);
    expect(half).toBeLessThan(55);
    bench.clock.advance(2_600);
    await stopped;
    expect(conns.every(({ why }) => why === CLOSE.SHUTDOWN)).toBe(true);
    expect(conns[99]!.calls).toEqual(["send 1", "close shutdown"]);
    expect([disposed, bench.server.connections, bench.server.wheel.size]).toEqual([true, 0, 0]);
    expect(bench.heard.filter((line) => line.endsWith("shutdown")).length).toBe(100);
  });

  test("stop drops peers that do not finish the closing", async () => {
    const bench = new Bench({ drainMs: 0 });
    const conn = bench.login("ann");
    conn.quick = false;
    const stopped = bench.server.stop();
    bench.clock.advance(1_700);
    await stopped;
    expect(bench.heard.at(-1)).toBe("-ann shutdown");
    expect(bench.server.connections).toBe(0);
  });

  test("a server without connections stops at once", async () => {
    await using bench = new Bench().server;
    await bench.stop();
  });

  test("closes are counted by reason, a peer's own words as other", () => {
    const bench = new Bench();
    bench.login("a").close(CLOSE.KICKED);
    const conn = bench.login("b");
    conn.events.closed({ code: 4999, reason: "'; DROP TABLE", reconnect: false });
    expect([bench.closes(CLOSE.KICKED), bench.metrics.read("petrel_closes_total", { reason: "other" })]).toEqual([
      1,
      1,
    ]);
    expect(bench.metrics.read("petrel_accepted_total")).toBe(2);
  });

  test("a state listener that throws is logged and hurts nobody", () => {
    const bench = new Bench();
    const conn = bench.login("ann");
    bench.heard.push = () => {
      throw new Error("planted");
    };
    conn.gone();
    expect(bench.log.errors.length).toBe(1);
    expect(bench.server.connections).toBe(0);
  });
});
