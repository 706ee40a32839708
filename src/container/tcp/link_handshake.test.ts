import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { answerBytes, helloBytes, readAnswer } from "./handshake.ts";
import { Heard, LinkStand, push, settle, talk } from "./link_stand.fixture.ts";

const otherSecret = (data: Uint8Array) => new Uint8Array(createHmac("sha256", "another").update(data).digest());

describe("a gateway that links", () => {
  test.each([
    { what: "with another secret", secret: otherSecret, why: "another cluster secret" },
    { what: "without a secret", secret: undefined, why: "no cluster secret" },
  ])("$what is told why, logged on both sides now and then, and dials later each time", async ({ secret, why }) => {
    const at = await new LinkStand().start();
    const gateway = new Heard();
    const client = at.client(gateway, { secret, backoff: { baseMs: 100, maxMs: 1_000_000 } });
    await at.pass(9_000);
    expect(gateway.changes).toEqual([]);
    expect(at.logic.changes).toEqual([]);
    // 50, 100, 200 … ms: about eight attempts.
    expect(at.metrics.read("petrel_link_refused_total")).toBeGreaterThan(5);
    expect(at.metrics.read("petrel_link_refused_total")).toBeLessThan(12);
    expect(at.serverLog.warnings).toEqual([`link refused: ${why}`]);
    expect(at.log.warnings).toEqual(["link refused by the logic server"]);
    expect(at.log.fields[0]).toMatchObject({ code: 105, why, logicId: "chat1" });
    expect(client.problem).toBe(`it refuses the link: ${why}`);
    await at.end(client);
  });

  test("with a clock that is off is let in when the clock is right again; a link that is up does not mind", async () => {
    const at = await new LinkStand().start();
    const gateway = new Heard();
    at.serverClock.jump(3_600_000);
    const client = at.client(gateway);
    await at.pass(1_000);
    expect(gateway.changes).toEqual([]);
    expect(at.serverLog.fields[0]).toMatchObject({ gateId: "gw1", why: "clocks differ by 3600 s" });
    at.serverClock.jump(-3_600_000);
    await at.pass(10_000);
    expect(gateway.changes).toEqual(["chat1 up"]);
    at.serverClock.jump(-7_200_000);
    at.clock.jump(100_000_000);
    await at.pass(5_000);
    expect(gateway.changes).toEqual(["chat1 up"]);
    await at.end(client);
  });

  test("from a KIM peer's address needs no proof, and is not answered", async () => {
    const at = await new LinkStand().start({ isKimPeer: (ip) => ip === "127.0.0.1" });
    const kim = await at.raw(helloBytes("gate01", "", 0, undefined));
    expect(at.logic.changes).toEqual(["gate01  up"]);
    expect(at.logic.links[0]!.kim).toBe(true);
    expect([kim.packets.length, kim.closedWith]).toEqual([0, undefined]);
    const wrong = await at.raw(helloBytes("gate02", "7", at.clock.now(), otherSecret));
    expect(readAnswer(wrong.packets[0]!)!.Code).toBe(105);
    await at.end();
  });

  test("without a proof, from elsewhere, is closed without a word like KIM's chat server does", async () => {
    const at = await new LinkStand().start();
    const kim = await at.raw(helloBytes("gate01", "", 0, undefined));
    expect([kim.packets.length, kim.closedWith]).toEqual([0, "unauthorized"]);
    expect(at.logic.changes).toEqual([]);
    await at.end();
  });
});

describe("two gateways with one id", () => {
  test("the newer is refused while the older answers, again and again, and comes when that one is gone", async () => {
    const at = await new LinkStand().start();
    const [one, two] = [new Heard(), new Heard()];
    const first = at.client(one);
    await settle();
    const second = at.client(two, { incarnation: "8" });
    await at.pass(8_000);
    expect([one.changes, two.changes]).toEqual([["chat1 up"], []]);
    expect(at.serverLog.warnings).toEqual(["link refused: another gateway with this id is linked"]);
    expect(at.log.fields[0]!["why"]).toContain("another gateway with this id is linked, from 127.0.0.1");
    await first.stop();
    await at.pass(10_000);
    expect(two.changes).toEqual(["chat1 up"]);
    await at.end(second);
  });

  test("the older is replaced when it does not answer", async () => {
    const at = await new LinkStand().start();
    const old = await at.raw(at.hello("gw1", "7"));
    old.conn.pause(); // alive for the kernel only
    await at.pass(500);
    const two = new Heard();
    const second = at.client(two, { incarnation: "8" });
    await at.pass(1_500);
    expect(two.changes).toEqual(["chat1 up"]);
    expect(at.logic.changes).toEqual(["gw1 7 up", "gw1 7 closed", "gw1 8 up"]);
    await at.end(second);
  });

  test("the newer is nobody when it has left before it was let in", async () => {
    const at = await new LinkStand().start();
    const old = await at.raw(at.hello("gw1", "7"));
    old.conn.pause();
    await at.pass(500);
    const newer = await at.raw(at.hello("gw1", "8"));
    newer.conn.destroy();
    await at.pass(1_000);
    expect(at.logic.changes).toEqual(["gw1 7 up"]);
    await at.end();
  });

  test("a handshake that was made before the linked one's, and came late, does not replace it", async () => {
    const at = await new LinkStand().start();
    const gateway = new Heard();
    const late = at.hello();
    await at.pass(500);
    const client = at.client(gateway);
    await settle();
    const raw = await at.raw(late);
    await at.pass(1_000);
    expect(raw.closedWith).toBe("unauthorized");
    expect(gateway.changes).toEqual(["chat1 up"]);
    await at.end(client);
  });
});

describe("a server", () => {
  test("that does not answer is no link for who needs Petrel: logged, dialled again", async () => {
    const at = new LinkStand();
    const { raws, url } = await at.rawServer();
    const gateway = new Heard();
    const client = at.client(gateway, { url });
    await at.pass(7_000);
    expect(gateway.changes).toEqual([]);
    expect(raws.length).toBe(2);
    expect(at.log.warnings[0]).toContain("no answer to the handshake");
    expect(client.problem).toContain("no answer to the handshake");
    raws[1]!.conn.send([answerBytes("chat1")]);
    await settle();
    expect([gateway.changes, client.problem]).toEqual([["chat1 up"], undefined]);
    await client.stop();
  });

  test("that takes each link and cuts it at once is dialled later each time", async () => {
    const at = new LinkStand();
    const { raws, url } = await at.rawServer();
    const client = at.client(new Heard(), { url, backoff: { baseMs: 100, maxMs: 1_000_000 } });
    for (let i = 0; i < 90; i++) {
      await at.pass(100);
      const raw = raws.at(-1);
      if (raw === undefined || raw.packets.length === 0 || raw.closedWith !== undefined) continue;
      raw.conn.send([answerBytes("chat1")]);
      await settle();
      raw.conn.destroy();
      await settle();
    }
    expect(raws.length).toBeGreaterThan(4);
    expect(raws.length).toBeLessThan(12);
    await client.stop();
  });

  test("that does not answer within a second is KIM's, where it may be", async () => {
    const at = new LinkStand();
    const { raws, url } = await at.rawServer();
    const gateway = new Heard();
    const client = at.client(gateway, { url, peer: "either" });
    await at.pass(900);
    expect(gateway.changes).toEqual([]);
    await at.pass(300);
    expect(gateway.changes).toEqual(["chat1 up"]);
    expect(gateway.links[0]!.kim).toBe(true);
    await at.pass(50_000, 5_000);
    expect(raws[0]!.pings).toBe(0);
    await at.pass(10_000, 1_000);
    expect(raws[0]!.pings).toBe(1);
    // A late answer of a Petrel server after all: no packet, so the link is made anew.
    raws[0]!.conn.send([answerBytes("chat1")]);
    await at.pass(1_000);
    expect(gateway.changes.slice(0, 2)).toEqual(["chat1 up", "chat1 closed"]);
    expect(raws.length).toBe(2);
    raws[1]!.conn.send([answerBytes("chat1")]);
    await settle();
    expect(gateway.changes.at(-1)).toBe("chat1 up");
    expect(gateway.links.at(-1)!.kim).toBe(false);
    await client.stop();
  });

  test("of KIM gets KIM's handshake and nothing of ours: other requests are not taken", async () => {
    const at = new LinkStand();
    const { raws, url } = await at.rawServer();
    const gateway = new Heard();
    const client = at.client(gateway, { url, peer: "kim" });
    await settle();
    expect(raws[0]!.packets[0]!.toHex()).toBe("0a03677731");
    const [link] = gateway.links;
    expect(link!.send(talk({ content: "json" }))).toBe(false);
    expect(link!.send(talk({ header: { ...talk().header, command: "im.heads" } }))).toBe(false);
    expect(link!.send(talk())).toBe(true);
    await settle();
    expect(raws[0]!.packets.length).toBe(2);
    await client.stop();
  });

  test.each([
    { what: "is another one", answer: answerBytes("chat2"), log: "link failed: another server answers there" },
    { what: "says nothing", answer: new TextEncoder().encode("SSH-2.0"), log: "link failed: the answer to" },
    { what: "sends packets at once", answer: Uint8Array.fromHex("c311a3650000000000000000"), log: "link failed: the" },
  ])("that $what is no link", async ({ answer, log }) => {
    const at = new LinkStand();
    const { raws, url } = await at.rawServer();
    const gateway = new Heard();
    const client = at.client(gateway, { url });
    await settle();
    raws[0]!.conn.send([answer]);
    await at.pass(500);
    expect(gateway.changes).toEqual([]);
    expect(at.log.warnings[0]).toContain(log);
    expect(raws.length).toBeGreaterThan(1);
    await client.stop();
  });
});

test("a link that is not to be dialled again ends with its connection, or at once", async () => {
  const at = await new LinkStand().start();
  const gateway = new Heard();
  let ended = 0;
  const client = at.client(gateway, { ended: () => ended++ });
  await settle();
  client.keepDialling(false);
  await at.pass(1_000);
  expect([client.state, ended]).toEqual(["open", 0]);
  at.logic.links[0]!.send(push());
  await at.server!.stop();
  await at.pass(2_000);
  expect([client.state, ended]).toEqual(["closed", 1]);
  const other = at.client(gateway, { ended: () => ended++ });
  await at.pass(1_000);
  expect(other.state).toBe("dialling");
  other.keepDialling(false);
  expect([other.state, ended]).toEqual(["closed", 2]);
  await other.stop();
  expect(ended).toBe(2);
});

test("a server that is not there is logged now and then, and found when it comes", async () => {
  const at = await new LinkStand().start();
  const { port } = at.listening;
  at.listening.stopAccepting();
  const gateway = new Heard();
  const client = at.client(gateway, { backoff: { baseMs: 100, maxMs: 400 } });
  await at.pass(15_000, 200);
  expect(at.log.warnings).toEqual(["connecting failed", "connecting failed"]);
  expect(at.log.fields[1]!["leftOut"]).toBeGreaterThan(20);
  expect(client.problem).toBe(`nobody answers at ${at.url}`);
  at.listening = await at.net.listenTcp({ hostname: "127.0.0.1", port, clock: at.serverClock }, at.server!.accept);
  await at.pass(1_000);
  expect([gateway.changes, client.problem]).toEqual([["chat1 up"], undefined]);
  await at.end(client);
});
