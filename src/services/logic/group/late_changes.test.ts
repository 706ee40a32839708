import { afterEach, describe, expect, test } from "bun:test";
import { tempDir } from "../../../../tests/support/temp.ts";
import { systemClock } from "../../../base/clock.ts";
import { silent } from "../../../base/logger.ts";
import { Metrics } from "../../../base/metrics.ts";
import type { Downward } from "../../../container/link.ts";
import { Batcher } from "../../../message/batcher.ts";
import type { ImStore } from "../../../message/message_store.ts";
import { openSqliteStore } from "../../../message/sqlite.ts";
import { type BodyType, decodeBody, encodeBody } from "../../../protocol/bodies.ts";
import { ROOM_CHANGE } from "../../../protocol/commands.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { makeHeader } from "../../../protocol/header.ts";
import { STATUS } from "../../../protocol/status.ts";
import { MemorySessionStore } from "../../../session/memory.ts";
import { LogicServer } from "../logic.ts";

const INBOX_GROUP = 2;
const MEMBERS = ["ann", "bob", "cid"];

/** A logic server whose gateway is the test: what it is told, in order. */
class Stand implements AsyncDisposable {
  readonly down: Downward[] = [];
  readonly #stack = new AsyncDisposableStack();
  readonly store: ImStore;
  readonly logic: LogicServer;
  readonly sessions: MemorySessionStore;
  #sequence = 0;

  static async start(): Promise<Stand> {
    const dir = await tempDir();
    return new Stand(await openSqliteStore({ directory: dir.path, inboxGroup: INBOX_GROUP }), dir);
  }

  constructor(store: ImStore, dir: AsyncDisposable) {
    this.store = store;
    this.#stack.use(dir);
    this.#stack.use(store);
    const batcher = this.#stack.use(new Batcher(store, { clock: systemClock }));
    this.sessions = new MemorySessionStore(systemClock, { devices: 16 });
    const stores = { sessions: this.sessions, messages: store, batcher };
    const around = { clock: systemClock, log: silent, metrics: new Metrics() };
    this.logic = new LogicServer({ ...around, ...stores, newGeneration: () => 1n });
    this.logic.attach(this.#link);
  }

  get #link() {
    return { peerId: "gw", state: "open" as const, send: (packet: Downward) => this.down.push(packet) > 0 };
  }

  async online(account: string): Promise<void> {
    const where = { app: "kim", account, device: "", channelId: `channel of ${account}`, gateId: "gw" };
    const what = { content: "protobuf" as const, generation: 1n, remoteIp: "", zone: "", isp: "", tags: [] };
    await this.sessions.add({ ...where, ...what });
  }

  /** Resolves with the status. */
  async ask<T>(account: string, command: string, type: BodyType<T>, body: Partial<T>): Promise<number> {
    const sequence = ++this.#sequence, channelId = `channel of ${account}`;
    this.logic.up({
      header: makeHeader(command, { channelId, sequence }),
      body: encodeBody(type, body),
      app: "kim",
      account,
      device: "",
      caps: true,
      content: "protobuf",
      gateId: "gw",
      key: undefined,
      startBy: Infinity,
      again: false,
    }, this.#link);
    await this.logic.drained();
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 0)); // what follows a reply
    return this.down.find(({ header }) => header.sequence === sequence && header.command === command)!.header.status;
  }

  /** Who was let in (+) and out (-) of the room, as the gateway was told. */
  rooms(account: string): string[] {
    const changes = this.down.filter(({ header, channels }) =>
      header.command === ROOM_CHANGE && channels.includes(`channel of ${account}`)
    );
    return changes.map(({ body }) => {
      const { joined, seq } = decodeBody(pkt.RoomChange, body);
      return `${joined ? "+" : "-"}${seq}`;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

const stands: Stand[] = [];
afterEach(async () => {
  for (const stand of stands.splice(0)) await stand[Symbol.asyncDispose]();
});

async function stand(): Promise<{ at: Stand; group: string }> {
  const at = await Stand.start();
  stands.push(at);
  for (const account of [...MEMBERS, "dan"]) await at.online(account);
  const made = { app: "kim", owner: "ann", name: "", avatar: "", introduction: "", members: MEMBERS };
  const { id } = await at.store.createGroup({ ...made, startBy: Infinity });
  return { at, group: id };
}

describe("gateways and the rooms of large groups", () => {
  test("who left before the gateway heard of the joining is not in the room in the end", async () => {
    const { at, group } = await stand();
    const change = { app: "kim", group, accounts: ["dan"], by: undefined, startBy: Infinity };
    const { seq, becameLarge } = await at.store.join(change);
    expect(await at.ask("dan", "chat.group.quit", pkt.GroupQuitReq, { groupId: group, account: "dan" })).toBe(0);
    await at.logic.roomChanged({ app: "kim", group, accounts: ["dan"], joined: true, seq, becameLarge }); // told late
    expect(at.rooms("dan").at(-1)).toBe("-0");
  });

  test("who is back before the gateway heard of the removal is in the room in the end", async () => {
    const { at, group } = await stand();
    await at.store.quit({ app: "kim", group, accounts: ["bob"], by: undefined, startBy: Infinity });
    expect(await at.ask("bob", "chat.group.join", pkt.GroupJoinReq, { groupId: group, account: "bob" })).toBe(0);
    await at.logic.roomChanged({ app: "kim", group, accounts: ["bob"], joined: false, seq: 0, becameLarge: false });
    expect(at.rooms("bob").at(-1)).toBe("+0");
  });

  test.each(["join", "quit"] as const)(
    "%s that is asked again because its answer was lost reaches them",
    async (verb) => {
      const { at, group } = await stand();
      const account = verb === "join" ? "dan" : "bob";
      // The first time it was stored, and nobody was told.
      await at.store[verb]({ app: "kim", group, accounts: [account], by: undefined, startBy: Infinity });
      expect(at.rooms(account)).toEqual([]);
      const type = verb === "join" ? pkt.GroupJoinReq : pkt.GroupQuitReq;
      expect(await at.ask(account, `chat.group.${verb}`, type, { groupId: group, account })).toBe(STATUS.SUCCESS.wire);
      expect(at.rooms(account)).toEqual([verb === "join" ? "+0" : "-0"]);
    },
  );
});
