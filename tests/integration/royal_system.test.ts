import { describe, expect, test } from "bun:test";
import * as runtime from "#runtime";
import { silent } from "../../src/base/logger.ts";
import type { DevConfig } from "../../src/cli/dev_system.ts";
import { type RoyalSystem, startRoyal } from "../../src/cli/royal_system.ts";
import type { WireClient } from "../../src/load/wire_client.ts";
import { RoyalStore } from "../../src/message/royal.ts";
import { decodeBody, encodeBody } from "../../src/protocol/bodies.ts";
import * as pkt from "../../src/protocol/gen/pkt_messages.ts";
import { freePort } from "../support/free_port.ts";
import { signed } from "../support/royal_stand.ts";
import { tempDir } from "../support/temp.ts";
import { CAPS, LocalSystem } from "./system_local.ts";

const CLUSTER = "royal-test-secret";
const INBOX_GROUP = 3;

/** A store of its own, which can be stopped and started at one address, and a chat server on it. */
async function stand() {
  const folder = await tempDir();
  const port = await freePort();
  const config = {
    royal: { hostname: "127.0.0.1", port },
    clusterSecret: CLUSTER,
    database: undefined,
    data: folder.in("royal"),
    sync: "normal",
    node: 0,
    inboxGroup: INBOX_GROUP,
    retentionDays: 0,
  } as const;
  let royal: RoyalSystem | undefined = await startRoyal(config, runtime, silent);
  const local = await LocalSystem.start({ royalUrl: royal.url, clusterSecret: CLUSTER });
  return {
    local,
    url: royal.url,
    stop: async () => {
      await royal?.[Symbol.asyncDispose]();
      royal = undefined;
    },
    start: async () => {
      royal = await startRoyal(config, runtime, silent);
    },
    async [Symbol.asyncDispose]() {
      await local[Symbol.asyncDispose]();
      await royal?.[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Waits until `/ready` has that status and problem ("" for none). */
async function ready(local: LocalSystem, status: number, problem = ""): Promise<void> {
  let last = "";
  for (const end = Date.now() + 10_000; Date.now() < end; await new Promise((done) => setTimeout(done, 50))) {
    const response = await fetch(`${local.system.http}/ready`);
    last = `${response.status} ${await response.text()}`;
    if (response.status === status && last.includes(problem)) return;
  }
  throw new Error(`/ready did not say ${status} ${problem}: ${last}`);
}

async function groupTalk(by: WireClient, group: string, body: string): Promise<number> {
  const request = encodeBody(pkt.MessageReq, { type: 1, body });
  return (await by.request("chat.group.talk", request, group)).status;
}

function heard(client: WireClient): string[] {
  return client.pushes.filter((one) => one.command === "chat.group.talk")
    .map((one) => decodeBody(pkt.MessagePush, one.body).body);
}

/** An admin fills a group until it is large; who is online hears what is said from then on. */
async function fills(local: LocalSystem, url: string): Promise<void> {
  const names = ["owner", "old", "ours", "late", "gone"];
  const [owner, old, ours, late, gone] = await Promise.all(
    names.map((name, i) => local.login(i % 2 ? "tcp" : "ws", name, i > 1 ? { meta: CAPS } : {})),
  );
  await Promise.all([owner!.inbox.index(0n), old!.inbox.index(0n)]);
  const { status, body } = await owner!.request(
    "chat.group.create",
    encodeBody(pkt.GroupCreateReq, { name: "g", members: ["old", "ours"] }),
  );
  expect(status).toBe(0);
  const { groupId } = decodeBody(pkt.GroupCreateResp, body);
  await using admin = new RoyalStore({ url, sign: signed });
  const change = { app: "kim", group: groupId, by: undefined, startBy: Infinity };
  const made = await admin.join({
    ...change,
    accounts: ["late", "gone", ...Array.from({ length: 20 }, (_, i) => `m${i}`)],
  });
  expect(made).toMatchObject({ becameLarge: true });
  const said: string[] = [];
  // Said at once, and until everybody is told: whoever enters the room is sent what it missed since it is in.
  for (const end = Date.now() + 8_000; Date.now() < end;) {
    said.push(`${said.length}`);
    expect(await groupTalk(owner!, groupId, said.at(-1)!)).toBe(0);
    if ([old!, ours!, late!, gone!].every((one) => heard(one).length > 0)) break;
    await new Promise((done) => setTimeout(done, 100));
  }
  for (const one of [old!, ours!, late!, gone!]) await one.until(() => heard(one).length === said.length);
  for (const one of [old!, ours!, late!, gone!]) expect(heard(one)).toEqual(said);
  await admin.quit({ ...change, accounts: ["gone"] });
  await new Promise((done) => setTimeout(done, 1_200)); // the chat server asks twice a second
  expect(await groupTalk(owner!, groupId, "last")).toBe(0);
  await late!.until(() => heard(late!).includes("last"));
  expect(heard(gone!)).not.toContain("last");
}

describe("a chat server on a store of its own", () => {
  test("says that it is not ready while the store is away, refuses, and goes on when it is back", async () => {
    await using at = await stand();
    await ready(at.local, 200);
    const [ann, bob] = await Promise.all([at.local.login("ws", "ann"), at.local.login("tcp", "bob", { meta: CAPS })]);
    expect((await ann.talk("bob", "one")).status).toBe(0);
    await at.stop();
    await ready(at.local, 503, "has no answer");
    const refused = await ann.talk("bob", "two");
    expect([300, 302]).toContain(refused.status);
    await at.start();
    await ready(at.local, 200);
    expect((await ann.talk("bob", "three")).status).toBe(0);
    await bob.until(({ messages }) => messages.length === 2);
    expect(bob.messages.map((one) => one.body)).toEqual(["one", "three"]);
  }, 30_000);

  test("with a wrong secret is not ready, and refuses everything", async () => {
    await using at = await stand();
    await using other = await LocalSystem.start({ royalUrl: at.url, clusterSecret: "another" });
    await ready(other, 503, "wrong signature");
    await expect(other.login("ws", "ann")).rejects.toThrow(/refused/i);
  }, 30_000);

  test("stops in a few seconds though the store is away in the middle of a send", async () => {
    await using at = await stand();
    const ann = await at.local.login("ws", "ann");
    await ann.talk("bob", "one");
    await at.stop();
    const lost = ann.talk("bob", "two").then(({ status }) => status, () => "no answer");
    const started = Date.now();
    await at.local.system[Symbol.asyncDispose]();
    expect(Date.now() - started).toBeLessThan(15_000);
    expect(["no answer", 300, 302]).toContain(await lost);
    await at.local.restart();
  }, 60_000);

  test("tells members who are online of a group that an admin fills, old clients and ours", async () => {
    await using at = await stand();
    await fills(at.local, at.url);
  }, 30_000);
});

describe("a dev server that answers as a store, too", () => {
  test("tells members who are online of a group that an admin fills, and lets nobody else ask", async () => {
    const config: Partial<DevConfig> = {
      royal: { hostname: "127.0.0.1", port: 0 },
      clusterSecret: CLUSTER,
      inboxGroup: INBOX_GROUP,
    };
    await using local = await LocalSystem.start(config);
    await fills(local, local.system.royal!);
    expect((await fetch(`${local.system.royal}/im/health`, { method: "POST" })).status).toBe(401);
    expect((await fetch(`${local.system.http}/im/health`, { method: "POST" })).status).toBe(404);
  }, 30_000);
});
