import { describe, expect, test } from "bun:test";
import { FLAG, makeHeader } from "../../protocol/header.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { decodePacket, type LogicPacket } from "../../protocol/packet.ts";
import { answerBytes } from "./handshake.ts";
import { Heard, LinkStand, push, settle, talk } from "./link_stand.fixture.ts";

/** Peers that do not read are not dead for a while. */
const SLOW = { pingMs: 800, deadMs: 60_000, fenceMs: Infinity };
const oversize = new Uint8Array(LIMITS.link.frameBytes + 1);
const reply = (body: Uint8Array) =>
  push({ header: makeHeader("chat.user.talk", { flag: FLAG.RESPONSE }), body, channels: ["a"], positions: [1] });

describe("a gateway that does not read", () => {
  const body = new Uint8Array(1_000);

  test("gets no more pushes than fit, and is told to look for the others once it reads", async () => {
    const at = await new LinkStand(4 << 10).start({ queueBytes: 50_000, pulse: SLOW });
    const raw = await at.raw(at.hello());
    raw.conn.pause();
    const [link] = at.logic.links;
    let taken = 0;
    for (let i = 0; i < 200; i++) if (link!.send(push({ body }))) taken++;
    await settle();
    for (let i = 0; i < 200; i++) if (link!.send(push({ body }))) taken++;
    expect(taken).toBeGreaterThan(30);
    expect(taken).toBeLessThan(60);
    expect(at.metrics.read("petrel_link_dropped_total")).toBe(2 * (400 - taken));
    expect(at.serverLog.warnings).toEqual(["link full: pushes are dropped"]);
    // Replies go on.
    expect(link!.send(reply(body))).toBe(true);
    await at.pass(1_000);
    raw.conn.resume();
    await at.pass(1_000);
    const packets = raw.packets.slice(1).map((bytes) => decodePacket(bytes, LIMITS.link) as LogicPacket);
    const commands = packets.map(({ header }) => header.command);
    expect(commands.length).toBe(taken + 2);
    expect(commands.filter((one) => one === "im.look").length).toBe(1);
    expect(commands.at(-1)).toBe("im.look");
    expect(link!.send(push({ body }))).toBe(true);
    await at.pass(1_000);
    expect(raw.packets.length).toBe(taken + 4);
    await at.end();
  });

  test("is told of a drain all the same", async () => {
    const at = await new LinkStand(4 << 10).start({ queueBytes: 50_000, pulse: SLOW });
    const raw = await at.raw(at.hello());
    raw.conn.pause();
    while (at.logic.links[0]!.send(push({ body })));
    at.logic.drain();
    raw.conn.resume();
    await at.pass(1_000);
    const packets = raw.packets.slice(1).map((bytes) => decodePacket(bytes, LIMITS.link) as LogicPacket);
    expect(packets.filter(({ header }) => header.command === "im.drain").length).toBe(1);
    await at.end();
  });

  test("is cut when too many replies wait, of which none is dropped", async () => {
    const at = await new LinkStand(4 << 10).start({ queueBytes: 10_000, cutBytes: 100_000, pulse: SLOW });
    const raw = await at.raw(at.hello());
    raw.conn.pause();
    const [link] = at.logic.links;
    let taken = 0;
    while (taken < 1_000 && link!.send(reply(body))) taken++;
    expect(taken).toBeGreaterThan(80);
    expect(taken).toBeLessThan(110);
    await settle();
    expect(at.logic.changes.at(-1)).toBe("gw1 7 closed");
    expect(at.serverLog.warnings).toEqual(["link cut: the gateway does not read"]);
    await at.end();
  });
});

test("a logic server that does not read is busy: requests are not taken, until it reads", async () => {
  const at = new LinkStand(4 << 10);
  const { raws, url } = await at.rawServer();
  const gateway = new Heard();
  const client = at.client(gateway, { url, queueBytes: 50_000, pulse: SLOW });
  await settle();
  raws[0]!.conn.send([answerBytes("chat1")]);
  await settle();
  raws[0]!.conn.pause();
  const [link] = gateway.links;
  let taken = 0;
  while (taken < 1_000 && link!.send(talk({ body: new Uint8Array(1_000) }))) taken++;
  expect(taken).toBeGreaterThan(30);
  expect(taken).toBeLessThan(60);
  expect(link!.state).toBe("open");
  raws[0]!.conn.resume();
  await at.pass(500);
  expect(link!.send(talk())).toBe(true);
  await at.pass(500);
  expect(raws[0]!.packets.length).toBe(taken + 2);
  await at.end(client);
});

test("what does not fit a frame is not sent, and cuts nothing", async () => {
  const at = await new LinkStand().start();
  const gateway = new Heard();
  const client = at.client(gateway);
  await settle();
  expect(gateway.links[0]!.send(talk({ body: oversize }))).toBe(false);
  expect(at.logic.links[0]!.send(reply(oversize))).toBe(false);
  await at.pass(1_000);
  expect(gateway.changes).toEqual(["chat1 up"]);
  expect(at.serverLog.warnings).toEqual(["link: too large for a frame, dropped"]);
  await at.end(client);
});
