import { describe, expect, test } from "bun:test";
import { FLAG, makeHeader } from "../../protocol/header.ts";
import { Heard, LinkStand, push, settle, talk } from "./link_stand.fixture.ts";

describe("a link", () => {
  test("carries requests up and answers down, in order, and says when it ends", async () => {
    const at = await new LinkStand().start();
    const gateway = new Heard();
    const client = at.client(gateway);
    await settle();
    expect([gateway.changes, at.logic.changes]).toEqual([["chat1 up"], ["gw1 7 up"]]);
    const [up] = gateway.links;
    const [down] = at.logic.links;
    const requests = [1, 2, 3].map((n) => talk({ key: { scope: "gw1_ann_1", n, low: 1 } }));
    for (const one of requests) expect(up!.send(one)).toBe(true);
    await settle();
    expect(at.logic.packets).toEqual(requests);
    expect(down!.send(push())).toBe(true);
    await settle();
    expect(gateway.packets).toEqual([{ ...push(), receipt: undefined, room: undefined, rooms: undefined }]);
    await client.stop();
    await settle();
    expect([gateway.changes.at(-1), at.logic.changes.at(-1)]).toEqual(["chat1 closed", "gw1 7 closed"]);
    expect([up!.send(talk()), down!.send(push())]).toEqual([false, false]);
    await at.server!.stop();
    expect(at.log.warnings).toEqual([]);
  });

  test("that the server ends is dialled again, and is another Uplink", async () => {
    const at = await new LinkStand().start();
    const gateway = new Heard();
    const client = at.client(gateway);
    await settle();
    at.server!.links.get("gw1")!.send(push());
    await at.raw(at.hello());
    await at.pass(300);
    expect(gateway.changes).toEqual(["chat1 up", "chat1 closed", "chat1 up"]);
    expect(gateway.links[0] === gateway.links[1]).toBe(false);
    expect(gateway.packets.length).toBe(1);
    expect(gateway.links.map((link) => link.state)).toEqual(["closed", "open"]);
    await at.end(client);
  });

  test("that is idle stays up; both sides ping", async () => {
    const at = await new LinkStand().start();
    const gateway = new Heard();
    const client = at.client(gateway);
    await at.pass(6_000);
    expect(gateway.changes).toEqual(["chat1 up"]);
    await at.end(client);
    expect(at.log.warnings).toEqual([]);
  });

  test("drains: the gateway is told once, and what it sends still comes", async () => {
    const at = await new LinkStand().start();
    const gateway = new Heard();
    const client = at.client(gateway);
    await settle();
    at.logic.drain();
    at.logic.drain();
    await settle();
    expect(gateway.changes).toEqual(["chat1 up", "chat1 draining"]);
    expect(gateway.links[0]!.send(talk())).toBe(true);
    const late = new Heard();
    const other = at.client(late, { gateId: "gw2", incarnation: "8" });
    await settle();
    expect(late.changes).toEqual(["chat1 up", "chat1 draining"]);
    expect(at.logic.packets.length).toBe(1);
    expect(gateway.packets).toEqual([]);
    await at.end(client, other);
  });
});

test("a gateway's own request goes without channel, and its answer without channels", async () => {
  const at = await new LinkStand().start();
  const gateway = new Heard();
  const client = at.client(gateway);
  await settle();
  const ask = talk({
    header: makeHeader("im.heads", { sequence: 12 }),
    app: "",
    account: "",
    device: "",
    caps: false,
    key: undefined,
  });
  gateway.links[0]!.send(ask);
  await settle();
  expect(at.logic.packets).toEqual([ask]);
  const header = makeHeader("im.heads", { sequence: 12, flag: FLAG.RESPONSE });
  at.logic.links[0]!.send(push({ header, channels: [], positions: [] }));
  await settle();
  expect(gateway.packets[0]).toMatchObject({ header, channels: [], positions: [], answers: 0 });
  await at.end(client);
});
