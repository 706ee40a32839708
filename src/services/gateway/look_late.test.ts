import { expect, test } from "bun:test";
import { decodeBody, encodeBody } from "../../protocol/bodies.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { CLOSE } from "../../protocol/close_reason.ts";
import type { ClientChannel } from "./client_channel.ts";
import { Bench, Wire } from "./gateway_bench.fixture.ts";
import { LeaseBench } from "./lease_bench.fixture.ts";
import { GROUP, RoomsBench } from "./rooms_bench.fixture.ts";

const OTHER = "g4wmc1rcz2m9";

test("a login that is under way when a link is lost has its head asked for once it is answered", () => {
  const bench = new Bench({}, ["chat1", "chat2"]);
  const channel = bench.first(new Wire()) as ClientChannel;
  const [own, other] = [...bench.links.values()].sort((a, b) => b.up.length - a.up.length);
  bench.clock.advance(1_000);
  other!.link.cut(); // a push for the channel was on it, stored after the login's head was read
  bench.clock.advance(1_000);
  bench.answer(10, 0, undefined, own);
  bench.clock.advance(1_100);
  const asked = own!.up.filter(({ header }) => header.command === "im.heads")
    .flatMap(({ body }) => decodeBody(pkt.HeadsReq, body).items.map(({ channelId }) => channelId));
  expect(asked).toEqual([channel.id]);
});

test("one that ends unanswered is not asked for", () => {
  const bench = new Bench({}, ["chat1", "chat2"]);
  const channel = bench.first(new Wire()) as ClientChannel;
  const [own, other] = [...bench.links.values()].sort((a, b) => b.up.length - a.up.length);
  other!.link.cut();
  bench.clock.advance(1_000);
  bench.gateway.disconnected(channel, CLOSE.GONE);
  bench.clock.advance(5_000);
  expect(own!.up.some(({ header }) => header.command === "im.heads")).toBe(false);
});

test("a login that is under way when a link is lost has its rooms checked once it is answered", () => {
  const bench = new RoomsBench({}, ["chat1", "chat2"]);
  const ann = bench.loggingIn("ann", true);
  bench.links.get("chat2")!.link.cut(); // a change for the channel was on it
  bench.settle(1_000);
  bench.member("ann", true, 0, OTHER);
  bench.opened(ann, [{ group: GROUP, seq: 0 }]);
  bench.settle(1_000);
  expect(bench.gateway.rooms.groupsOf(ann.channel).sort()).toEqual([GROUP, OTHER]);
});

test("a channel whose session is put back has its rooms checked then: no change found it meanwhile", async () => {
  const bench = await LeaseBench.start();
  const { channels: [ann] } = bench.logins(1);
  await bench.pass(1_000);
  bench.gateway.pinged(ann!);
  await bench.pass(2_000);
  const before = bench.asked("im.room.check").length;
  bench.reply(bench.asked("im.heads").at(-1)!, 0, 0, encodeBody(pkt.HeadsResp, { positions: [0], missing: [ann!.id] }));
  await bench.pass(1_000);
  expect(bench.restored()).toEqual([ann!.id]);
  bench.reply(bench.asked("im.restore")[0]!);
  await bench.pass(1_000);
  expect(bench.asked("im.room.check").length).toBe(before + 1);
});

test("a client that talks and never pings is looked after once a minute", () => {
  const bench = new Bench();
  const channel = bench.login(new Wire());
  const heads = () => bench.logic.up.filter(({ header }) => header.command === "im.heads");
  bench.clock.advance(1_000);
  for (let second = 0; second < 300; second += 5) {
    bench.send(channel, "chat.user.talk", { dest: "bob" });
    bench.answer();
    bench.clock.advance(2_000);
    for (const asked of heads().slice(-1)) bench.reply(asked, 0, 0, encodeBody(pkt.HeadsResp, { positions: [0] }));
    bench.clock.advance(3_000);
  }
  expect(heads().length).toBe(4);
});

test("one that pings is not looked after more often than it pings", () => {
  const bench = new Bench();
  const channel = bench.login(new Wire());
  const heads = () => bench.logic.up.filter(({ header }) => header.command === "im.heads");
  for (let second = 0; second < 300; second += 50) {
    bench.gateway.pinged(channel);
    bench.send(channel, "chat.user.talk", { dest: "bob" });
    bench.answer();
    bench.clock.advance(1_100);
    bench.answer(0, 0, encodeBody(pkt.HeadsResp, { positions: [0] }));
    bench.clock.advance(48_900);
  }
  expect(heads().length).toBe(6);
});
