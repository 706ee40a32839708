import { expect, test } from "bun:test";
import { decodeBody, encodeBody } from "../../protocol/bodies.ts";
import { CLOSE } from "../../protocol/close_reason.ts";
import { LOOK } from "../../protocol/commands.ts";
import { encodeAs } from "../../protocol/content.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, makeHeader } from "../../protocol/header.ts";
import { META, textMeta } from "../../protocol/meta.ts";
import { encodeLogic, NO_BODY } from "../../protocol/packet.ts";
import { MemoryLeases } from "../../session/memory_leases.ts";
import type { ClientChannel } from "./client_channel.ts";
import { Bench, ids, refused, Wire } from "./gateway_bench.fixture.ts";
import { LeaseBench } from "./lease_bench.fixture.ts";

test("a gateway is not ready, and lets nobody in, before it has its lease", async () => {
  const bench = new LeaseBench("down");
  expect(bench.gateway.problem).toBe("the gateway has no lease yet");
  await bench.pass(2_000);
  expect(bench.gateway.problem).toBe("the session store is out of reach");
  const outcome = refused(bench.first(new Wire()));
  expect(outcome).toMatchObject({ why: CLOSE.LOGIN_FAILED, header: { status: 300 } });
  bench.store.fate = "works";
  await bench.pass(1_000);
  expect(bench.gateway.problem).toBeUndefined();
  expect("at" in bench.first(new Wire())).toBe(false);
});

test("a gateway whose lease another process has says so, and is not ready", async () => {
  const bench = new LeaseBench("down");
  await bench.store.kept!.claim("gate:run1", "somebody", 60_000);
  bench.store.fate = "works";
  await bench.pass(2_000);
  expect(bench.gateway.problem).toContain("another process has this gateway's lease");
});

test("the lease is asked for every 3 s, and while it is kept nothing else happens", async () => {
  const bench = await LeaseBench.start();
  const { wires } = bench.logins(3);
  const before = bench.store.claims;
  await bench.pass(30_000);
  expect(bench.store.claims - before).toBe(10);
  expect(wires.every(({ closed }) => closed === undefined)).toBe(true);
  expect(bench.restored()).toEqual([]);
});

test("a process that stood still for longer than its lease closes its channels, one after the other", async () => {
  const bench = await LeaseBench.start();
  const { wires } = bench.logins(400);
  bench.clock.stall(12_000);
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  bench.clock.advance(50);
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  bench.clock.advance(50);
  const gone = () => wires.filter(({ closed }) => closed === CLOSE.FENCED).length;
  expect(gone()).toBeGreaterThan(0);
  expect(gone()).toBeLessThan(100);
  const late = bench.login(new Wire());
  await bench.pass(3_000);
  expect(gone()).toBe(400);
  expect(late.state).toBe("open");
  expect(bench.restored()).toEqual([]);
});

test("a process that stood still for a shorter time keeps its channels", async () => {
  const bench = await LeaseBench.start();
  const { wires } = bench.logins(3);
  await bench.stall(6_500);
  await bench.pass(5_000);
  expect(wires.some(({ closed }) => closed)).toBe(false);
  expect(bench.restored()).toEqual([]);
});

test("an answer from before the standstill does not hide it", async () => {
  const bench = await LeaseBench.start();
  const { wires } = bench.logins(3);
  bench.store.fate = "down";
  await bench.pass(3_000); // asks every second from here on
  bench.store.fate = "works";
  await bench.stall(15_000);
  bench.store.fate = "answer lost";
  await bench.pass(2_000);
  bench.store.fate = "works";
  await bench.pass(5_000);
  expect(wires.every(({ closed }) => closed === CLOSE.FENCED)).toBe(true);
});

test("a question from before the standstill that made the lease anew does not hide it", async () => {
  const bench = await LeaseBench.start();
  const { wires } = bench.logins(3);
  const { promise, resolve } = Promise.withResolvers<void>();
  bench.store.held = promise;
  await bench.pass(3_000); // asked, but not on its way yet
  await bench.stall(15_000);
  resolve();
  await bench.pass(5_000);
  expect(wires.every(({ closed }) => closed === CLOSE.FENCED)).toBe(true);
});

test("clocks that jump both ways change nothing", async () => {
  const bench = await LeaseBench.start();
  const wire = new Wire();
  bench.first(wire, bench.token("ann", bench.clock.now() / 1000 + 10 * 86_400));
  bench.answer();
  for (const ms of [60_000, -3_600_000, 86_400_000, -86_400_000]) {
    bench.clock.jump(ms);
    await bench.pass(4_000);
  }
  expect(wire.closed).toBeUndefined();
  expect(bench.gateway.problem).toBeUndefined();
  expect(bench.restored()).toEqual([]);
});

test("while the store is out of reach channels go on, logins are told to come again", async () => {
  const bench = await LeaseBench.start();
  const { wires, channels } = bench.logins(2);
  bench.store.fate = "down";
  await bench.pass(30_000);
  expect(wires.some(({ closed }) => closed)).toBe(false);
  bench.send(channels[0]!, "chat.user.talk", { dest: "bob" });
  expect(bench.logic.up.at(-1)?.header.command).toBe("chat.user.talk");
  expect(refused(bench.first(new Wire())).header?.status).toBe(300);
  expect(bench.gateway.problem).toBeUndefined(); // its channels are well
});

test("while the lease is not held nobody finds its channels: it asks for their heads itself, and they get what came", async () => {
  const bench = await LeaseBench.start();
  const { wires } = bench.logins(1);
  bench.store.fate = "down";
  await bench.pass(7_000);
  expect(bench.asked("im.heads").length).toBe(0);
  await bench.pass(8_000);
  const told = encodeBody(pkt.HeadsResp, { positions: [1], missing: [] });
  let answered = 0;
  const answer = () => {
    for (const one of bench.asked("im.heads").slice(answered)) bench.reply(one, 0, 0, told);
    answered = bench.asked("im.heads").length;
  };
  answer();
  const numbers = { messageId: 5n, userSeq: 1, seq: 1, sendTime: 1n, type: 1 };
  const messages = [{ ...numbers, sender: "bob", body: "", extra: "", clientMsgId: "", dest: "ann", group: false }];
  bench.reply(bench.asked("im.fill").at(-1)!, 0, 0, encodeBody(pkt.SyncResp, { messages, scannedTo: 1 }));
  expect(ids(wires[0]!)).toEqual([5]);
  const before = answered;
  for (let second = 0; second < 20; second++) {
    await bench.pass(1_000);
    answer();
  }
  expect(answered - before).toBe(4);
});

test("a lease that ended while the store was out of reach: all sessions are put back and all heads asked for", async () => {
  const bench = await LeaseBench.start();
  const { channels } = bench.logins(2);
  bench.store.fate = "down";
  await bench.pass(12_000);
  bench.store.fate = "works";
  await bench.pass(2_000);
  expect(bench.restored()).toEqual(channels.map(({ id }) => id));
  const before = bench.asked("im.heads").length;
  bench.reply(bench.asked("im.restore")[0]!);
  await bench.pass(1_000);
  expect(bench.asked("im.heads").length).toBe(before + 1);
  await bench.pass(20_000);
  expect(bench.restored().length).toBe(2);
});

test("a lease that another question had made is found out too", async () => {
  const bench = await LeaseBench.start();
  bench.logins(1);
  bench.store.fate = "down";
  await bench.pass(12_000);
  bench.store.fate = "answer lost";
  await bench.pass(1_000);
  bench.store.fate = "works";
  await bench.pass(2_000);
  expect(bench.restored().length).toBe(1);
});

test("a store that was emptied: what the logins said is put back, in the client's content", async () => {
  const bench = await LeaseBench.start();
  const meta = [textMeta(META.DEVICE, "phone"), textMeta(META.CAPS, "1"), textMeta(META.CONTENT, "json")];
  const login = encodeAs("json", pkt.LoginReq, { token: bench.token(), zone: "SH", tags: ["ios"] });
  const packet = encodeLogic(makeHeader("login.signin", { sequence: 7, meta }), login);
  const ann = bench.gateway.first(new Wire(), "::1", packet) as ClientChannel;
  bench.answer(0, 0, encodeAs("json", pkt.LoginResp, {}), bench.logic, { generation: 2n ** 60n + 1n });
  const bob = bench.login(new Wire(), 0, {}, "bob");
  bench.store.kept = new MemoryLeases(bench.clock);
  await bench.pass(4_000);
  const { sessions } = decodeBody(pkt.RestoreReq, bench.asked("im.restore")[0]!.body);
  const common = { gateId: "gw", app: "kim" };
  expect(sessions).toMatchObject([
    { ...common, channelId: ann.id, account: "ann", device: "phone", remoteIP: "::1", zone: "SH", tags: ["ios"] },
    { ...common, channelId: bob.id, account: "bob", device: "", remoteIP: "127.0.0.1", content: "protobuf" },
  ]);
  expect(sessions).toMatchObject([{ content: "json", generation: 2n ** 60n + 1n }, { generation: 0n }]);
});

test("sessions are put back 500 at a time, four requests at once, and again when it failed", async () => {
  const bench = await LeaseBench.start();
  const { channels } = bench.logins(3_200);
  bench.store.kept = new MemoryLeases(bench.clock);
  await bench.pass(4_000);
  const sizes = () => bench.asked("im.restore").map(({ body }) => decodeBody(pkt.RestoreReq, body).sessions.length);
  expect(sizes()).toEqual([500, 500, 500, 500]);
  const [one, two, three, four] = bench.asked("im.restore");
  bench.gateway.disconnected(channels[0]!, CLOSE.GONE);
  bench.reply(one!, 0, 302);
  for (const request of [two!, three!, four!]) bench.reply(request);
  await bench.pass(1_000);
  expect(sizes().slice(4)).toEqual([500, 500, 500, 199]);
  for (const request of bench.asked("im.restore").slice(4)) bench.reply(request);
  await bench.pass(1_000);
  expect(new Set(bench.restored()).size).toBe(3_200);
  expect(bench.restored().length).toBe(3_699);
  await bench.pass(30_000);
  expect(bench.restored().length).toBe(3_699);
});

test("a channel that logs in while sessions are put back is put back too", async () => {
  const bench = await LeaseBench.start();
  const channel = bench.first(new Wire()) as ClientChannel;
  bench.store.kept = new MemoryLeases(bench.clock);
  await bench.pass(4_000);
  expect(bench.restored()).toEqual([]);
  bench.reply(bench.logic.up.find(({ header }) => header.command === "login.signin")!);
  await bench.pass(1_000);
  expect(bench.restored()).toEqual([channel.id]);
});

test("a channel without a session, by the answer to im.heads, is put back", async () => {
  const bench = await LeaseBench.start();
  const [ann, bob] = bench.logins(2).channels;
  for (const channel of [ann!, bob!]) bench.gateway.pinged(channel);
  await bench.pass(2_000);
  const [heads] = bench.asked("im.heads");
  const missing = [bob!.id, "somebody's"];
  bench.reply(heads!, 0, 0, encodeBody(pkt.HeadsResp, { positions: [0, 0], missing }));
  await bench.pass(1_000);
  expect(bench.restored()).toEqual([bob!.id]);
});

test("a channel without a session has the lease asked for at once: the store may have lost everything", async () => {
  const bench = await LeaseBench.start();
  const { channels } = bench.logins(3);
  bench.gateway.pinged(channels[1]!);
  await bench.pass(3_000);
  bench.store.kept = new MemoryLeases(bench.clock);
  const answer = encodeBody(pkt.HeadsResp, { positions: [0], missing: [channels[1]!.id] });
  bench.reply(bench.asked("im.heads")[0]!, 0, 0, answer);
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  expect(bench.store.kept.held("gate:run1")).toBe(true);
  bench.clock.advance(200);
  expect(bench.restored().sort()).toEqual(channels.map(({ id }) => id).sort());
});

test("without leases nothing is kept for it, and nothing put back", () => {
  const bench = new Bench();
  const channel = bench.login(new Wire());
  expect(channel.about).toBeUndefined();
  bench.gateway.pinged(channel);
  bench.clock.advance(1_100);
  bench.answer(0, 0, encodeBody(pkt.HeadsResp, { positions: [0], missing: [channel.id] }));
  bench.clock.advance(5_000);
  expect(bench.logic.up.some(({ header }) => header.command === "im.restore")).toBe(false);
});

test("after a stop the lease is given back", async () => {
  const bench = await LeaseBench.start();
  await bench.gateway.release();
  expect(bench.store.kept!.held("gate:run1")).toBe(false);
  await bench.pass(10_000);
  expect(bench.store.kept!.held("gate:run1")).toBe(false);
});

test("im.look: the heads of all channels are asked for, not all at once", () => {
  const bench = new Bench();
  for (let i = 0; i < 5_000; i++) bench.login(new Wire(), 0, {}, `user${i}`);
  const heads = () => bench.logic.up.filter(({ header }) => header.command === "im.heads");
  bench.clock.advance(1_000);
  const before = heads().length;
  bench.logic.down.send({
    header: makeHeader(LOOK, { flag: FLAG.PUSH }),
    body: NO_BODY,
    gateId: "gw",
    channels: [],
    positions: [],
    own: false,
    answers: 0,
  });
  const sizes = () => heads().slice(before).map(({ body }) => decodeBody(pkt.HeadsReq, body).items.length);
  bench.clock.advance(50);
  expect(sizes()).toEqual([1_000, 1_000]);
  bench.clock.advance(100);
  expect(sizes()).toEqual([1_000, 1_000, 1_000, 1_000, 1_000]);
  // One that fails is asked for again, also for clients that never ping.
  bench.reply(heads()[before]!, 0, 302);
  for (const one of heads().slice(before + 1)) bench.reply(one, 0, 0, encodeBody(pkt.HeadsResp, {}));
  bench.clock.advance(1_100);
  expect(sizes().length).toBe(6);
});
