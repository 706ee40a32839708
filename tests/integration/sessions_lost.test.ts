import { expect, test } from "bun:test";
import { decodeBody, encodeBody } from "../../src/protocol/bodies.ts";
import { CLOSE } from "../../src/protocol/close_reason.ts";
import * as pkt from "../../src/protocol/gen/pkt_messages.ts";
import { FLAG } from "../../src/protocol/header.ts";
import type { OldClient } from "../support/old_client.ts";
import { ClusterStand } from "../support/cluster_stand.ts";
import { until } from "../support/until.ts";

const online = async (at: ClusterStand, ...accounts: string[]) =>
  (await at.sessions.kept.locate("kim", accounts)).map(({ account }) => account);

test(
  "a session store that was emptied: everybody is back without a login, and gets what was sent meanwhile",
  async () => {
    await using at = await ClusterStand.start({ gateways: 2, logics: 2 });
    const [ann, bob] = [await at.client("ann", 0, "phone"), await at.client("bob", 1, "web")];
    at.sessions.flush();
    expect((await ann.talk("bob", "while nobody is known")).status).toBe(0);
    await until(async () => (await online(at, "ann", "bob")).length === 2);
    await until(() => bob.seen.length === 1);
    expect((await bob.talk("ann", "back")).status).toBe(0);
    await until(() => ann.seen.length === 1);
    expect([ann.closed, bob.closed]).toEqual([undefined, undefined]);
    expect(at.metrics.read("petrel_logins_total", { outcome: "success" })).toBe(2);
  },
  30_000,
);

test(
  "a device that logged in elsewhere after the store was emptied keeps its place, the old channel is kicked",
  async () => {
    await using at = await ClusterStand.start({ gateways: 2, logics: 2 });
    const old = await at.client("ann", 0, "phone");
    at.sessions.flush();
    let late: OldClient | undefined;
    await until(async () => {
      try {
        late = await at.client("ann", 1, "phone");
        return true;
      } catch {
        return false; // the second gateway's lease is not back yet
      }
    });
    await old.kicked.promise;
    await until(() => old.closed !== undefined);
    expect(old.closed).toEqual(CLOSE.KICKED);
    expect(late!.closed).toBeUndefined();
    expect(await online(at, "ann")).toEqual(["ann"]);
  },
  30_000,
);

/** One device at both gateways: the kick-out at the first was lost. */
async function loggedInTwice(at: ClusterStand): Promise<{ old: OldClient; late: OldClient }> {
  const old = await at.client("ann", 0, "phone");
  let lost = 0;
  at.passesDown = ({ header }) => {
    if (header.command !== "login.signin" || header.flag !== FLAG.PUSH || lost > 0) return true;
    lost++;
    return false;
  };
  const late = await at.client("ann", 1, "phone");
  expect(lost).toBe(1);
  return { old, late };
}

test(
  "a kick-out was lost, and then all sessions: the newer login stays, though the older one is put back first",
  async () => {
    await using at = await ClusterStand.start({ gateways: 2, logics: 1 });
    const { old, late } = await loggedInTwice(at);
    const where = async () => (await at.sessions.kept.locate("kim", ["ann"]))[0]?.gateId;
    let isFirstBack = false;
    at.passesUp = ({ header, gateId }) => header.command !== "im.restore" || isFirstBack || gateId === "gw0";
    at.sessions.flush();
    await until(async () => isFirstBack = await where() === "gw0");
    await until(() => old.closed !== undefined);
    expect(old.closed).toEqual(CLOSE.KICKED);
    expect(late.closed).toBeUndefined();
    expect(await where()).toBe("gw1");
  },
  30_000,
);

test("a kick-out that was lost with a link reaches the channel once it is heard of", async () => {
  await using at = await ClusterStand.start({ gateways: 2, logics: 1 });
  const { old } = await loggedInTwice(at);
  const [channel] = at.gateways[0]!.channels();
  at.gateways[0]!.pinged(channel!);
  await old.kicked.promise;
  await until(() => old.closed !== undefined);
  expect(await online(at, "ann")).toEqual(["ann"]);
});

test(
  "while the session store is out of reach messages are stored and answered; pushes follow when it is back",
  async () => {
    await using at = await ClusterStand.start({ gateways: 1, logics: 2 });
    const [ann, bob] = [await at.client("ann", 0, "phone"), await at.client("bob", 0, "phone")];
    at.sessions.down = true;
    const answers = await Promise.all([1, 2, 3].map((i) => ann.talk("bob", `m${i}`)));
    expect(answers.map(({ status }) => status)).toEqual([0, 0, 0]);
    await expect(at.client("cat")).rejects.toThrow("300");
    const { header } = await bob.request("chat.sync", encodeBody(pkt.SyncReq, { limit: 10 }));
    expect(header.status).toBe(0);
    expect(bob.seen).toEqual([]);
    at.sessions.down = false;
    await until(() => bob.seen.length === 3);
    expect(bob.seen).toEqual(answers.map(({ messageId }) => messageId));
    expect(at.metrics.read("petrel_push_retried_total")).toBe(3);
  },
  30_000,
);

test("joining and leaving a large group works without the session store; rooms follow when it is back", async () => {
  await using at = await ClusterStand.start({ gateways: 1, logics: 1 });
  const members = ["ann", "bob", "cat", "dan"];
  const group = await at.store.createGroup({
    app: "kim",
    owner: "ann",
    name: "g",
    avatar: "",
    introduction: "",
    members,
    key: undefined,
    startBy: Infinity,
  });
  const [ann, bob, eve] = [
    await at.client("ann", 0, "phone"),
    await at.client("bob", 0, "phone"),
    await at.client("eve", 0, "phone"),
  ];
  const talk = async (): Promise<bigint> => {
    const body = encodeBody(pkt.MessageReq, { type: 1, body: "hi" });
    const answer = await ann.request("chat.group.talk", body, group.id);
    expect(answer.header.status).toBe(0);
    const { messageId } = decodeBody(pkt.MessageResp, answer.body);
    await until(() => bob.groups.includes(messageId));
    return messageId;
  };
  const change = { groupId: group.id, account: "eve" };

  at.sessions.down = true;
  expect((await eve.request("chat.group.join", encodeBody(pkt.GroupJoinReq, change))).header.status).toBe(0);
  at.sessions.down = false;
  await until(async () => eve.groups.includes(await talk()));

  at.sessions.down = true;
  expect((await eve.request("chat.group.quit", encodeBody(pkt.GroupQuitReq, change))).header.status).toBe(0);
  at.sessions.down = false;
  await until(async () => !eve.groups.includes(await talk()));
}, 30_000);

test("a channel that is gone without a word: the receipt of a push ends its session", async () => {
  await using at = await ClusterStand.start({ gateways: 1, logics: 1 });
  const [ann, bob] = [await at.client("ann"), await at.client("bob")];
  at.passesUp = ({ header }) => header.command !== "login.signout";
  bob.cut();
  expect(await online(at, "bob")).toEqual(["bob"]);
  await until(async () => {
    await ann.talk("bob", "are you there?");
    return (await online(at, "bob")).length === 0;
  });
  expect(at.metrics.read("petrel_receipt_seconds")).toBeGreaterThan(0);
});

test("who leaves while the session store is out of reach is not online when it is back", async () => {
  await using at = await ClusterStand.start({ gateways: 1, logics: 1 });
  const bob = await at.client("bob");
  let refused = 0;
  at.passesDown = ({ header }) => {
    if (header.command === "login.signout" && header.status !== 0) refused++;
    return true;
  };
  at.sessions.down = true;
  bob.cut();
  await until(() => refused > 0);
  expect(await online(at, "bob")).toEqual(["bob"]);
  at.sessions.down = false;
  await until(async () => (await online(at, "bob")).length === 0);
});

test("a sign-out that was lost with its link is said to another server", async () => {
  await using at = await ClusterStand.start({ gateways: 1, logics: 2 });
  const bob = await at.client("bob");
  let lost: number | undefined;
  at.passesUp = ({ header }, logic) => {
    if (header.command !== "login.signout") return true;
    lost ??= logic;
    return logic !== lost;
  };
  bob.cut();
  await until(() => lost !== undefined);
  expect(await online(at, "bob")).toEqual(["bob"]);
  at.kill(lost!);
  await until(async () => (await online(at, "bob")).length === 0);
});
