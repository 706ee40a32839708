import { systemClock } from "../../src/base/clock.ts";
import { silent } from "../../src/base/logger.ts";
import { Metrics } from "../../src/base/metrics.ts";
import type { Downward, Upward } from "../../src/container/link.ts";
import { Batcher } from "../../src/message/batcher.ts";
import { openSqliteStore, type SqliteStore } from "../../src/message/sqlite.ts";
import { type BodyType, decodeBody, encodeBody } from "../../src/protocol/bodies.ts";
import { ROOM_CHANGE } from "../../src/protocol/commands.ts";
import * as pkt from "../../src/protocol/gen/pkt_messages.ts";
import { FLAG, makeHeader } from "../../src/protocol/header.ts";
import { STATUS } from "../../src/protocol/status.ts";
import { LogicServer } from "../../src/services/logic/logic.ts";
import { MemorySessionStore } from "../../src/session/memory.ts";
import { tempDir } from "./temp.ts";

/** A logic server on a store of its own, whose gateway is the test. Groups of more than two are large. */
export class LogicStand implements AsyncDisposable {
  readonly store: SqliteStore;
  readonly logic: LogicServer;
  readonly sessions = new MemorySessionStore(systemClock, { devices: 16 });
  /** What the gateway was sent, in order. */
  readonly down: Downward[] = [];
  readonly #stack = new AsyncDisposableStack();
  readonly #link = { peerId: "gw", incarnation: "", send: (packet: Downward) => this.down.push(packet) > 0 };
  #sequence = 0;

  static async start(): Promise<LogicStand> {
    const dir = await tempDir();
    return new LogicStand(await openSqliteStore({ directory: dir.path, inboxGroup: 2 }), dir);
  }

  private constructor(store: SqliteStore, dir: AsyncDisposable) {
    this.#stack.use(dir);
    this.store = this.#stack.use(store);
    const batcher = this.#stack.use(new Batcher(store, { clock: systemClock }));
    const around = { clock: systemClock, log: silent, metrics: new Metrics(), newGeneration: () => 1n };
    this.logic = new LogicServer({ ...around, sessions: this.sessions, messages: store, batcher });
    this.logic.attach(this.#link);
  }

  /** The account has a channel, without a login. */
  async online(account: string): Promise<void> {
    const where = { app: "kim", account, device: "", channelId: channelOf(account), gateId: "gw" };
    const what = {
      incarnation: "",
      content: "protobuf" as const,
      generation: 1n,
      remoteIp: "",
      zone: "",
      isp: "",
      tags: [],
    };
    await this.sessions.add({ ...where, ...what });
  }

  /** The answer to a request of that account's channel; what follows the answer is done. Rejects when it is no Success. */
  async ask<Req, Res>(
    account: string,
    command: string,
    [request, response]: readonly [BodyType<Req>, BodyType<Res>],
    body: Partial<Req>,
    { caps = true, dest = "", ...way }: Partial<Pick<Upward, "caps" | "key" | "again" | "startBy">> & {
      dest?: string;
    } = {},
  ): Promise<Res> {
    const sequence = ++this.#sequence, channelId = channelOf(account);
    const who = { app: "kim", account, device: "", caps, content: "protobuf" as const };
    const usual = { gateId: "gw", key: undefined, startBy: Infinity, again: false };
    const header = makeHeader(command, { channelId, sequence, dest });
    this.logic.up({ header, body: encodeBody(request, body), ...who, ...usual, ...way }, this.#link);
    await this.logic.drained();
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
    const answer = this.down.find((one) => one.header.sequence === sequence && one.header.flag === FLAG.RESPONSE)!;
    if (answer.header.status !== STATUS.SUCCESS.wire) throw new Error(`${command}: status ${answer.header.status}`);
    return decodeBody(response, answer.body);
  }

  /** How the gateway was told that the account's channel enters (+) and leaves (-) large groups, and at which seq. */
  rooms(account: string): string[] {
    const changes = this.down.filter(({ header, channels }) =>
      header.command === ROOM_CHANGE && channels.includes(channelOf(account))
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

function channelOf(account: string): string {
  return `channel of ${account}`;
}
