import { createHmac } from "node:crypto";
import { systemClock } from "../../src/base/clock.ts";
import { ImError } from "../../src/base/errors.ts";
import { silent } from "../../src/base/logger.ts";
import { Metrics } from "../../src/base/metrics.ts";
import type { Downward, Uplink, Upward } from "../../src/container/link.ts";
import { MemoryLink } from "../../src/container/memory_link.ts";
import { Snowflake } from "../../src/id/snowflake.ts";
import { Batcher } from "../../src/message/batcher.ts";
import { openSqliteStore, type SqliteStore } from "../../src/message/sqlite.ts";
import { makeToken } from "../../src/protocol/claims.ts";
import { GATEWAY_DEFAULTS } from "../../src/services/gateway/config.ts";
import { Gateway } from "../../src/services/gateway/gateway.ts";
import { LogicServer } from "../../src/services/logic/logic.ts";
import { MemorySessionStore } from "../../src/session/memory.ts";
import { MemoryLeases } from "../../src/session/memory_leases.ts";
import type { SessionStore } from "../../src/session/store.ts";
import { OldClient } from "./old_client.ts";
import { tempDir } from "./temp.ts";
import { until } from "./until.ts";

const hmac = (data: Uint8Array) => new Uint8Array(createHmac("sha256", "secret").update(data).digest());

/** A session store that can be out of reach, or be emptied. */
export class FragileSessions {
  leases = new MemoryLeases(systemClock);
  kept = new MemorySessionStore(systemClock, { devices: 16, leases: this.leases });
  down = false;

  /** What gateways and logic servers see. */
  readonly store: SessionStore = {
    add: (session) => this.#ask(() => this.kept.add(session)),
    get: (id) => this.#ask(() => this.kept.get(id)),
    end: (id) => this.#ask(() => this.kept.end(id)),
    restore: (sessions) => this.#ask(() => this.kept.restore(sessions)),
    locate: (app, accounts) => this.#ask(() => this.kept.locate(app, accounts)),
    touch: (ids) => this.#ask(() => this.kept.touch(ids)),
    [Symbol.asyncDispose]: () => this.kept[Symbol.asyncDispose](),
  };

  /** All leases and sessions are gone, as after FLUSHALL. */
  flush(): void {
    this.leases = new MemoryLeases(systemClock);
    this.kept = new MemorySessionStore(systemClock, { devices: 16, leases: this.leases });
  }

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    await Promise.resolve(); // it is on a network
    if (this.down) throw new ImError("SYSTEM", "Cannot reach the session store");
    return await question();
  }

  readonly claims = {
    claim: (...args: Parameters<MemoryLeases["claim"]>) => this.#ask(() => this.leases.claim(...args)),
    release: (...args: Parameters<MemoryLeases["release"]>) => this.#ask(() => this.leases.release(...args)),
  };
}

interface LogicPlace {
  readonly logic: LogicServer;
  dead: boolean;
  links: MemoryLink[];
}

/** Gateways with leases and logic servers on one store, joined by links in memory that a test cuts, and reads along. */
export class ClusterStand implements AsyncDisposable {
  readonly metrics = new Metrics();
  readonly sessions = new FragileSessions();
  readonly gateways: Gateway[] = [];
  readonly places: LogicPlace[] = [];
  readonly store: SqliteStore;
  /** Sees each packet on its way; false: it is lost. */
  passesDown: (packet: Downward, logic: number, gateway: number) => boolean = () => true;
  passesUp: (packet: Upward, logic: number) => boolean = () => true;
  readonly #stack = new AsyncDisposableStack();

  static async start(shape: { gateways: number; logics: number }): Promise<ClusterStand> {
    const dir = await tempDir();
    const store = await openSqliteStore({ directory: dir.path, threads: false, inboxGroup: 2 });
    const stand = new ClusterStand(store, dir);
    for (let i = 0; i < shape.gateways; i++) stand.addGateway();
    for (let i = 0; i < shape.logics; i++) stand.addLogic();
    await until(() => stand.gateways.every(({ problem }) => problem === undefined));
    return stand;
  }

  private constructor(store: SqliteStore, dir: AsyncDisposable) {
    this.#stack.use(dir);
    this.store = this.#stack.use(store);
  }

  addGateway(): void {
    const at = this.gateways.length;
    const config = { ...GATEWAY_DEFAULTS, messageRate: 0, serviceId: `gw${at}`, incarnation: `run${at}` };
    const deps = { clock: systemClock, log: silent, metrics: this.metrics, hmac, leases: this.sessions.claims };
    this.gateways.push(this.#stack.use(new Gateway(config, deps)));
  }

  addLogic(): void {
    const ids = new Snowflake(systemClock, this.places.length);
    const batcher = this.#stack.use(new Batcher(this.store, { clock: systemClock }));
    const logic = new LogicServer({
      clock: systemClock,
      log: silent,
      metrics: this.metrics,
      sessions: this.sessions.store,
      messages: this.store,
      batcher,
      newGeneration: () => ids.next(),
    });
    this.places.push({ logic: this.#stack.use(logic), dead: false, links: [] });
    for (let gateway = 0; gateway < this.gateways.length; gateway++) this.link(this.places.length - 1, gateway);
  }

  /** A link between the two; a newer one takes over. */
  link(at: number, gateway: number): void {
    const place = this.places[at]!, to = this.gateways[gateway]!;
    const ids = { gateId: to.id, logicId: `chat${at}`, incarnation: to.config.incarnation };
    const link = new MemoryLink(ids, {
      changed: (one: Uplink) => to.changed(one),
      down: (packet: Downward, from: Uplink) => {
        if (!place.dead && this.passesDown(packet, at, gateway)) to.down(packet, from);
      },
    }, {
      closed: (one) => place.logic.closed(one),
      up: (packet, from) => {
        if (!place.dead && this.passesUp(packet, at)) place.logic.up(packet, from);
      },
    });
    place.links[gateway] = link;
    place.logic.attach(link.downlink);
    to.attach(link.uplink);
  }

  /** kill -9: nothing it does from now on is seen, and its links break. */
  kill(at: number): void {
    const place = this.places[at]!;
    place.dead = true;
    for (const link of place.links) link.cut();
  }

  token(account: string): string {
    return makeToken({ acc: account, app: "kim", exp: Date.now() / 1000 + 3_600 }, hmac);
  }

  /** A client that is logged in; `device` makes it ours. */
  async client(account: string, gateway = 0, device?: string): Promise<OldClient> {
    const client = new OldClient(this.gateways[gateway]!);
    const meta = device === undefined ? [] : [["im.device", device], ["im.caps", "1"]].map(([key, value]) => ({
      key: key!,
      value: value!,
      type: 1,
    }));
    const status = await client.login(this.token(account), { meta });
    if (status !== 0) throw new Error(`${account} was not let in: ${status}`);
    return client;
  }

  /** Which logic server an account's requests go to. */
  serverOf(account: string, gateway = 0): number {
    const channel = [...this.gateways[gateway]!.channels()].find((one) => one.account === account);
    return Number(channel!.link!.peerId.slice("chat".length));
  }

  /** The texts of an account's inbox, in its order. */
  async inbox(account: string): Promise<string[]> {
    const texts: string[] = [];
    for (let after = 0;;) {
      const { rows, scannedTo } = await this.store.entries("kim", account, { after, limit: 500 });
      if (rows.length === 0) return texts;
      const contents = await this.store.contents("kim", account, rows.map(({ messageId }) => messageId));
      texts.push(...contents.map((one) => one!.body));
      after = scannedTo;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
