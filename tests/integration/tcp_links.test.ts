import { createHmac } from "node:crypto";
import { expect, test } from "bun:test";
import * as runtime from "#runtime";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { silent } from "../../src/base/logger.ts";
import { Metrics } from "../../src/base/metrics.ts";
import type { Conn, ConnEvents, Dial } from "../../src/comm/ports.ts";
import { LinkClient } from "../../src/container/tcp/link_client.ts";
import { LinkServer } from "../../src/container/tcp/link_server.ts";
import { Snowflake } from "../../src/id/snowflake.ts";
import { Batcher } from "../../src/message/batcher.ts";
import type { ImStore } from "../../src/message/message_store.ts";
import { openSqliteStore } from "../../src/message/sqlite.ts";
import { makeToken } from "../../src/protocol/claims.ts";
import { GATEWAY_DEFAULTS } from "../../src/services/gateway/config.ts";
import { Gateway } from "../../src/services/gateway/gateway.ts";
import { LogicServer } from "../../src/services/logic/logic.ts";
import { MemorySessionStore } from "../../src/session/memory.ts";
import { MemoryLeases } from "../../src/session/memory_leases.ts";
import { OldClient } from "../support/old_client.ts";
import { tempDir } from "../support/temp.ts";

const SENDERS = 6;
const EACH = 120;

/** One gateway and two logic servers, linked over TCP with a cluster secret; links can be cut. */
class System implements AsyncDisposable {
  readonly metrics = new Metrics();
  readonly gateway: Gateway;
  readonly #leases = new MemoryLeases(systemClock);
  readonly #sessions = new MemorySessionStore(systemClock, { devices: 16, leases: this.#leases });
  readonly #hmac = (data: Uint8Array) => new Uint8Array(createHmac("sha256", "secret").update(data).digest());
  readonly #sign = runtime.hmacSha256("a cluster secret of more than 32 bytes");
  readonly #conns = new Set<Conn>();
  readonly #stack = new AsyncDisposableStack();

  private constructor() {
    const config = { ...GATEWAY_DEFAULTS, messageRate: 0, serviceId: "gw", incarnation: "7" };
    const around = { clock: systemClock, log: silent, metrics: this.metrics };
    this.gateway = new Gateway(config, { ...around, hmac: this.#hmac, leases: this.#leases });
  }

  static async start(store: ImStore): Promise<System> {
    const system = new System();
    for (const node of [0, 1]) await system.#logic(store, node);
    return system;
  }

  async #logic(store: ImStore, node: number): Promise<void> {
    const ids = new Snowflake(systemClock, node);
    const around = { clock: systemClock, log: silent, metrics: this.metrics };
    const logic = new LogicServer({
      ...around,
      sessions: this.#sessions,
      messages: store,
      batcher: this.#stack.use(new Batcher(store, { clock: systemClock })),
      newGeneration: () => ids.next(),
    });
    const links = this.#stack.use(new LinkServer({ serviceId: `chat${node}` }, { ...around, logic, sign: this.#sign }));
    const listening = await runtime.listenTcp({ hostname: "127.0.0.1", port: 0 }, links.accept);
    links.listening(listening);
    const link = this.#stack.use(
      new LinkClient({
        gateId: "gw",
        incarnation: "7",
        logicId: `chat${node}`,
        url: `tcp://127.0.0.1:${listening.port}`,
      }, { ...around, dial: this.#dial, random: Math.random, gateway: this.gateway, sign: this.#sign }),
    );
    link.start();
  }

  readonly #dial: Dial = (url, events, options) =>
    runtime.dial(url, (conn): ConnEvents => {
      this.#conns.add(conn);
      return events(conn);
    }, options);

  /** Every link ends in the middle of whatever it carries. */
  cut(): void {
    for (const conn of this.#conns) conn.destroy();
    this.#conns.clear();
  }

  token(account: string): string {
    return makeToken({ acc: account, app: "kim", exp: Date.now() / 1000 + 3600 }, this.#hmac);
  }

  async login(account: string): Promise<OldClient> {
    const client = new OldClient(this.gateway);
    for (let tries = 0; await client.login(this.token(account)) !== 0; tries++) {
      if (tries > 500) throw new Error(`Cannot log ${account} in`);
      await sleep(systemClock, 20);
    }
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.gateway[Symbol.dispose]();
    await this.#stack.disposeAsync();
  }
}

test("links that break again and again lose nothing, double nothing, and answer everything", async () => {
  await using folder = await tempDir();
  await using store = await openSqliteStore({ directory: folder.path, threads: false });
  await using system = await System.start(store);
  const receiver = await system.login("rcv");
  await receiver.index();
  let done = false;
  const cutting = (async () => {
    while (!done) {
      await sleep(systemClock, 150);
      system.cut();
    }
  })();
  const talks = await Promise.all(
    Array.from({ length: SENDERS }, async (_, i) => {
      const client = await system.login(`sender${i}`);
      const answers = [];
      for (let n = 0; n < EACH; n++) {
        answers.push(...await Promise.all([0, 1, 2].map((k) => client.talk("rcv", `${i} ${n}.${k}`))));
      }
      return answers;
    }),
  );
  done = true;
  await cutting;
  const acked = talks.flat().filter(({ status }) => status === 0).map(({ messageId }) => messageId);
  for (let i = 0; i < 500 && receiver.seen.length < acked.length; i++) {
    system.gateway.catchUp.heads([...system.gateway.channels()]);
    await sleep(systemClock, 20);
  }
  expect(acked.length).toBe(SENDERS * EACH * 3);
  expect(new Set(acked).size).toBe(acked.length);
  const inbox: bigint[] = [];
  for (let after = 0;;) {
    const page = await store.entries("kim", "rcv", { after, limit: 500 });
    inbox.push(...page.rows.map((row) => row.messageId));
    if (page.rows.length === 0) break;
    after = page.scannedTo;
  }
  expect(inbox.length).toBe(acked.length);
  expect(receiver.seen).toEqual(inbox);
  expect(system.metrics.read("petrel_reforwarded_total")).toBeGreaterThan(0);
}, 60_000);
