import { expect, test } from "bun:test";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { decodeBody, encodeBody } from "../../src/protocol/bodies.ts";
import * as pkt from "../../src/protocol/gen/pkt_messages.ts";
import { FLAG } from "../../src/protocol/header.ts";
import { ClusterStand } from "../support/cluster_stand.ts";
import { until } from "../support/until.ts";

test("a logic server killed between commit and answer: the other one answers, and the message is stored once", async () => {
  await using at = await ClusterStand.start({ gateways: 1, logics: 2 });
  const [ann, bob] = [await at.client("ann"), await at.client("bob")];
  const dying = at.serverOf("ann");
  at.passesDown = ({ header }, logic) => {
    if (logic !== dying || header.flag !== FLAG.RESPONSE || header.command !== "chat.user.talk") return true;
    queueMicrotask(() => at.kill(dying));
    return false;
  };
  const sent = [1, 2, 3].map((i) => ann.talk("bob", `m${i}`));
  const started = systemClock.mono();
  const answers = await Promise.all(sent);
  expect(systemClock.mono() - started).toBeLessThan(3_000);
  expect(answers.map(({ status }) => status)).toEqual([0, 0, 0]);
  expect(await at.inbox("bob")).toEqual(["m1", "m2", "m3"]);
  await until(() => bob.seen.length === 3);
  expect(bob.seen).toEqual(answers.map(({ messageId }) => messageId));
  expect([ann.closed, bob.closed]).toEqual([undefined, undefined]);
  expect(at.metrics.read("petrel_logins_total", { outcome: "success" })).toBe(2);
});

test("a logic server killed between accept and commit: the other one stores, in order", async () => {
  await using at = await ClusterStand.start({ gateways: 1, logics: 2 });
  const [ann, bob] = [await at.client("ann"), await at.client("bob")];
  const dying = at.serverOf("ann");
  at.passesUp = ({ header }, logic) => logic !== dying || header.command !== "chat.user.talk";
  const sent = [1, 2, 3].map((i) => ann.talk("bob", `m${i}`));
  at.kill(dying);
  const later = ann.talk("bob", "m4");
  expect((await Promise.all([...sent, later])).map(({ status }) => status)).toEqual([0, 0, 0, 0]);
  expect(await at.inbox("bob")).toEqual(["m1", "m2", "m3", "m4"]);
  await until(() => bob.seen.length === 4);
});

test("a link that is cut and comes back to the same, only server loses and doubles nothing", async () => {
  await using at = await ClusterStand.start({ gateways: 1, logics: 1 });
  const [ann, bob] = [await at.client("ann"), await at.client("bob")];
  let cuts = 0;
  at.passesDown = ({ header }) => {
    if (header.flag !== FLAG.RESPONSE || header.command !== "chat.user.talk" || cuts >= 5) return true;
    cuts++;
    at.places[0]!.links[0]!.cut();
    systemClock.after(20, () => at.link(0, 0));
    return false;
  };
  const texts = Array.from({ length: 40 }, (_, i) => `m${i}`);
  const answers = await Promise.all(texts.map((text) => ann.talk("bob", text)));
  expect(cuts).toBe(5);
  expect(answers.map(({ status }) => status)).toEqual(texts.map(() => 0));
  expect(await at.inbox("bob")).toEqual(texts);
  await until(() => bob.seen.length === texts.length);
  expect(bob.seen).toEqual(answers.map(({ messageId }) => messageId));
});

test("a login whose server dies is answered by another one, and its session counts", async () => {
  await using at = await ClusterStand.start({ gateways: 1, logics: 2 });
  let dying = -1;
  at.passesDown = ({ header }, logic) => {
    if (header.command !== "login.signin" || header.flag !== FLAG.RESPONSE || dying >= 0) return true;
    dying = logic;
    queueMicrotask(() => at.kill(logic)); // stored, not answered
    return false;
  };
  const ann = await at.client("ann");
  expect(dying).toBeGreaterThanOrEqual(0);
  expect(at.serverOf("ann")).toBe(1 - dying);
  expect(ann.closed).toBeUndefined();
  expect((await at.sessions.kept.locate("kim", ["ann"])).length).toBe(1);
  const bob = await at.client("bob");
  expect((await bob.talk("ann", "hi")).status).toBe(0);
  await until(() => ann.seen.length === 1);
});

test("a drain under load loses nothing, changes no order, and nobody logs in again", async () => {
  await using at = await ClusterStand.start({ gateways: 2, logics: 2 });
  const names = Array.from({ length: 12 }, (_, i) => `sender${i}`);
  const senders = await Promise.all(names.map((name, i) => at.client(name, i % 2)));
  const bob = await at.client("bob", 1, "phone");
  const texts = names.map((name) => Array.from({ length: 150 }, (_, i) => `${name} ${i}`));
  const onFirst = names.filter((name, i) => at.serverOf(name, i % 2) === 0).length;
  expect(onFirst).toBeGreaterThan(0);
  expect(onFirst).toBeLessThan(names.length);
  // Each sender always has four talks under way, so that it never waits for nothing.
  const load = Promise.all(senders.map(async (sender, who) => {
    const statuses: number[] = [];
    const queue = [...texts[who]!];
    await Promise.all([0, 1, 2, 3].map(async () => {
      for (let text; (text = queue.shift());) {
        statuses.push((await sender.talk("bob", text)).status);
        await sleep(systemClock, 1);
      }
    }));
    return statuses;
  }));
  await sleep(systemClock, 50);
  const after = new Map<string, number>();
  await at.places[0]!.logic.drain(10_000);
  for (const name of names) after.set(name, at.serverOf(name, names.indexOf(name) % 2));
  expect([...after.values()].every((server) => server === 1)).toBe(true);
  at.kill(0);
  expect((await load).flat().every((status) => status === 0)).toBe(true);
  const inbox = await at.inbox("bob");
  for (const list of texts) expect(inbox.filter((text) => list.includes(text))).toEqual(list);
  expect(inbox.length).toBe(texts.flat().length);
  await until(() => bob.seen.length === inbox.length);
  expect(at.metrics.read("petrel_logins_total", { outcome: "success" })).toBe(names.length + 1);
  expect(at.metrics.read("petrel_reforwarded_total")).toBe(0);
}, 40_000);

test("a chat server that dies before gateways hear that a group is large: its members hear what is said in it", async () => {
  await using at = await ClusterStand.start({ gateways: 2, logics: 2 }); // groups of more than two are large
  const [ann, bob, cat] = [
    await at.client("ann", 0, "phone"),
    await at.client("bob", 1, "phone"),
    await at.client("cat", 1, "phone"),
  ];
  const create = encodeBody(pkt.GroupCreateReq, { name: "g", members: ["ann", "bob", "cat"] });
  const dying = at.serverOf("ann");
  at.passesDown = ({ header }, logic) => {
    if (logic !== dying || header.command === "chat.group.create") return true;
    at.kill(dying); // answered, but nobody was told
    return false;
  };
  const { groupId } = decodeBody(pkt.GroupCreateResp, (await ann.request("chat.group.create", create)).body);
  await until(() => at.places[dying]!.dead);
  const talk = encodeBody(pkt.MessageReq, { type: 1, body: "hi" });
  const answer = await ann.request("chat.group.talk", talk, groupId);
  const { messageId } = decodeBody(pkt.MessageResp, answer.body);
  await until(() => bob.groups.includes(messageId) && cat.groups.includes(messageId));
  expect([bob.groups, cat.groups]).toEqual([[messageId], [messageId]]);
  expect(at.metrics.read("petrel_logins_total", { outcome: "success" })).toBe(3);
});
