import { describe, expect, test } from "bun:test";
import { makeHeader } from "../../protocol/header.ts";
import { encodeBasic, encodeLogic, NO_BODY } from "../../protocol/packet.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { encodeDown } from "./down_codec.ts";
import { answerBytes, helloBytes } from "./handshake.ts";
import { Heard, LinkStand, push, settle, talk } from "./link_stand.fixture.ts";
import { encodeUp } from "./up_codec.ts";

describe("a process that was stopped in its tracks", () => {
  test("carries out nothing of what came meanwhile: a logic server cuts all its links unread", async () => {
    const at = await new LinkStand().start({ isKimPeer: () => true });
    const [one, two] = [new Heard(), new Heard()];
    const clients = [at.client(one), at.client(two, { gateId: "gw2", incarnation: "8" })];
    const kim = await at.raw(helloBytes("gate01", "", 0, undefined));
    await at.pass(1_000);
    at.serverClock.stall(3_000);
    expect(one.links[0]!.send(talk())).toBe(true);
    await settle();
    expect(at.logic.packets).toEqual([]);
    expect(one.changes.at(-1)).toBe("chat1 closed");
    expect(two.changes.at(-1)).toBe("chat1 closed");
    expect(at.serverLog.warnings).toEqual(["links cut: this process stood still"]);
    expect(at.metrics.read("petrel_link_stalls_total")).toBe(1);
    // A KIM gateway forwards nothing to others before three minutes have passed.
    kim.conn.send([encodeUp(talk({ gateId: "gate01" }), true, 0)]);
    await settle();
    expect(at.logic.packets.length).toBe(1);
    await at.pass(500);
    expect([one.changes.at(-1), two.changes.at(-1)]).toEqual(["chat1 up", "chat1 up"]);
    await at.end(...clients);
  });

  test("does so too when it answers what it had before", async () => {
    const at = await new LinkStand().start();
    const gateway = new Heard();
    const client = at.client(gateway);
    await at.pass(1_000);
    at.serverClock.stall(3_000);
    at.logic.links[0]!.send(push());
    gateway.links[0]!.send(talk());
    await settle();
    expect(at.logic.packets).toEqual([]);
    expect(at.logic.changes.at(-1)).toBe("gw1 7 closed");
    await at.end(client);
  });

  test("does so too when its timers come first", async () => {
    const at = await new LinkStand().start();
    const gateway = new Heard();
    const client = at.client(gateway);
    await at.pass(1_000);
    at.serverClock.stall(3_000);
    gateway.links[0]!.send(talk());
    at.serverClock.advance(200);
    expect(at.logic.changes.at(-1)).toBe("gw1 7 closed");
    await settle();
    expect(at.logic.packets).toEqual([]);
    await at.end(client);
  });

  test("a shorter stop is none: what came is carried out", async () => {
    const at = await new LinkStand().start();
    const gateway = new Heard();
    const client = at.client(gateway);
    await at.pass(1_000);
    at.serverClock.stall(1_000);
    gateway.links[0]!.send(talk());
    await at.pass(1_000);
    expect([gateway.changes, at.logic.packets.length]).toEqual([["chat1 up"], 1]);
    await at.end(client);
  });

  test("a gateway makes its links anew", async () => {
    const at = await new LinkStand().start();
    const gateway = new Heard();
    const client = at.client(gateway);
    await at.pass(1_000);
    at.clock.stall(3_000);
    at.logic.links[0]!.send(push());
    await settle();
    expect(gateway.changes).toEqual(["chat1 up", "chat1 closed"]);
    expect(gateway.packets).toEqual([]);
    await at.pass(500);
    expect(gateway.changes.at(-1)).toBe("chat1 up");
    expect(at.log.warnings).toEqual(["link cut: this process stood still"]);
    await at.end(client);
  });
});

describe("a peer that is silent", () => {
  test("is given up after 2.5 s by the logic server", async () => {
    const at = await new LinkStand().start();
    const raw = await at.raw(at.hello());
    raw.conn.pause(); // no pongs
    await at.pass(2_300);
    expect(at.logic.changes).toEqual(["gw1 7 up"]);
    await at.pass(500);
    expect(at.logic.changes).toEqual(["gw1 7 up", "gw1 7 closed"]);
    expect(at.serverLog.warnings).toEqual(["link cut: nothing was heard"]);
    await at.end();
  });

  test("is given up after 2.5 s by the gateway", async () => {
    const at = new LinkStand();
    const { raws, url } = await at.rawServer();
    const gateway = new Heard();
    const client = at.client(gateway, { url });
    await settle();
    raws[0]!.conn.send([answerBytes("chat1")]);
    await settle();
    raws[0]!.conn.pause();
    await at.pass(3_000);
    expect(gateway.changes.slice(0, 2)).toEqual(["chat1 up", "chat1 closed"]);
    expect(raws.length).toBe(2);
    await at.end(client);
  });

  test("before its handshake has 10 s", async () => {
    const at = await new LinkStand().start();
    const raw = await at.raw();
    await at.pass(9_000, 500);
    expect(raw.closedWith).toBe(undefined);
    await at.pass(2_000, 500);
    expect(raw.closedWith).toBe("login timeout");
    expect(at.serverLog.warnings).toEqual(["link refused: no handshake came"]);
    await at.end();
  });
});

const oversize = new Uint8Array(LIMITS.link.frameBytes + 1);
const manyMetas = encodeLogic(
  makeHeader("x", { meta: Array.from({ length: 300 }, () => ({ key: "k", value: "v", type: 1 })) }),
  NO_BODY,
);

describe("what a gateway sends wrongly cuts its link alone, and is logged:", () => {
  test.each([
    { what: "garbage", bytes: new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n") },
    { what: "a second handshake", bytes: helloBytes("gw1", "7", 0, undefined) },
    { what: "a basic packet", bytes: encodeBasic(1) },
    { what: "half a packet", bytes: encodeUp(talk(), false, 0).subarray(0, 30) },
    { what: "a header that is too large", bytes: encodeLogic(makeHeader("x".repeat(257 << 10)), NO_BODY) },
    { what: "too many metas", bytes: manyMetas },
    { what: "another gateway's packet", bytes: encodeUp(talk({ gateId: "gw2" }), false, 0) },
    { what: "a frame that is too large", bytes: oversize, why: "too large" },
  ])("$what", async ({ bytes, why }) => {
    const at = await new LinkStand().start();
    const other = new Heard();
    const client = at.client(other, { gateId: "gw2", incarnation: "8" });
    const raw = await at.raw(at.hello());
    raw.conn.send([encodeUp(talk(), false, 0), bytes, encodeUp(talk(), false, 0)]);
    await settle();
    expect(raw.closedWith).toBe(why ?? "peer gone");
    expect(at.logic.packets.length).toBe(1);
    expect(at.logic.changes.at(-1)).toBe("gw1 7 closed");
    expect(at.serverLog.warnings.length).toBe(1);
    expect(at.serverLog.warnings[0]).toContain("link cut: ");
    expect(other.links[0]!.send(talk({ gateId: "gw2" }))).toBe(true);
    await settle();
    expect(at.logic.packets.length).toBe(2);
    expect(other.changes).toEqual(["chat1 up"]);
    await at.end(client);
  });

  test("a first frame that is no handshake", async () => {
    const at = await new LinkStand().start();
    for (let i = 0; i < 5; i++) {
      const raw = await at.raw(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
      expect([raw.closedWith, raw.packets.length]).toEqual(["not a packet", 0]);
    }
    const raw = await at.raw(new Uint8Array(9 << 10));
    expect(raw.closedWith).toBe("too large");
    expect(at.serverLog.warnings.length).toBe(2);
    expect(at.metrics.read("petrel_gateway_links")).toBe(0);
    await at.end();
  });
});

describe("what a logic server sends wrongly", () => {
  async function linked(at: LinkStand, gateway: Heard, peer: "petrel" | "kim") {
    const { raws, url } = await at.rawServer();
    const client = at.client(gateway, { url, peer });
    await settle();
    if (peer === "petrel") raws[0]!.conn.send([answerBytes("chat1")]);
    await settle();
    return { raw: raws[0]!, client };
  }

  test.each([
    { what: "garbage", bytes: Uint8Array.of(1, 2, 3), log: "link cut: what came is no packet" },
    {
      what: "another gateway's packet",
      bytes: encodeDown(push({ gateId: "gw2" }), false),
      log: "link cut: what came is for another gateway",
    },
    { what: "a basic packet", bytes: encodeBasic(1), log: "link cut: what came is no packet" },
  ])("cuts the link: $what", async ({ bytes, log }) => {
    const at = new LinkStand();
    const gateway = new Heard();
    const { raw, client } = await linked(at, gateway, "petrel");
    raw.conn.send([encodeDown(push(), false), bytes, encodeDown(push(), false)]);
    await settle();
    expect(gateway.changes).toEqual(["chat1 up", "chat1 closed"]);
    expect(gateway.packets.length).toBe(1);
    expect(at.log.warnings).toEqual([log]);
    await at.end(client);
  });

  test("of KIM a packet for another gateway is dropped: its chat servers send such ones", async () => {
    const at = new LinkStand();
    const gateway = new Heard();
    const { raw, client } = await linked(at, gateway, "kim");
    const foreign = encodeDown(push({ gateId: "gw2" }), true);
    raw.conn.send([foreign, foreign, encodeDown(push(), true)]);
    await settle();
    expect(gateway.changes).toEqual(["chat1 up"]);
    expect(gateway.packets.length).toBe(1);
    expect(at.log.warnings).toEqual(["packet for another gateway dropped"]);
    await at.end(client);
  });
});
