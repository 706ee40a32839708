import type { Clock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import { gatewayLease } from "./leases.ts";
import type { MemoryLeases } from "./memory_leases.ts";
import { type Location, OlderLogin, type Session, type SessionStore } from "./store.ts";

interface Online {
  readonly session: Session;
  lastHeardMs: number;
}

export interface MemorySessionOptions {
  /** The most that one account may have online. */
  readonly devices: number;
  /** Of the gateways; not needed where sessions have no incarnation. */
  readonly leases?: MemoryLeases;
}

/** A channel that is over is remembered for so long: its login may come once more. */
const OVER_MS = 60_000;

interface Over {
  readonly untilMs: number;
  /** Its connection has ended; otherwise it was put out by another login. */
  readonly isEnded: boolean;
}

/** Sessions of one process, in memory. */
export class MemorySessionStore implements SessionStore {
  readonly #clock: Clock;
  readonly #options: MemorySessionOptions;
  readonly #byChannel = new Map<string, Online>();
  /** app, then account, then device. */
  readonly #apps = new Map<string, Map<string, Map<string, Online>>>();
  /** In the order they were over. */
  readonly #over = new Map<string, Over>();

  constructor(clock: Clock, options: MemorySessionOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  add(session: Session): Promise<Session[]> {
    if (this.#overOf(session.channelId)) return Promise.reject(gone("its connection has ended"));
    if (!this.#counts(session)) return Promise.reject(gone("its gateway has no lease"));
    const devices = this.#devicesOf(session.app, session.account);
    const replaced: Session[] = [];
    const newer = this.#sameDevice(session, devices).find(({ generation }) => generation > session.generation);
    if (newer) return Promise.reject(new OlderLogin(newer.generation));
    const before = devices.get(session.device);
    if (before) {
      this.#forget(before.session, devices);
      if (before.session.channelId !== session.channelId) replaced.push(before.session);
    }
    while (devices.size >= this.#options.devices) replaced.push(this.#forget(mostSilent(devices), devices));
    for (const { channelId } of replaced) this.#remember(channelId, false);
    this.#put(session, devices);
    return Promise.resolve(replaced);
  }

  get(channelId: string): Promise<Session | undefined> {
    return Promise.resolve(this.#byChannel.get(channelId)?.session);
  }

  end(channelId: string): Promise<boolean> {
    const online = this.#byChannel.get(channelId);
    this.#remember(channelId, true);
    if (!online) return Promise.resolve(false);
    const { app, account } = online.session;
    const accounts = this.#apps.get(app)!;
    const devices = accounts.get(account)!;
    this.#forget(online.session, devices);
    if (devices.size === 0) accounts.delete(account);
    if (accounts.size === 0) this.#apps.delete(app);
    return Promise.resolve(true);
  }

  restore(sessions: readonly Session[]): Promise<Session[]> {
    const gone: Session[] = [];
    for (const session of sessions) {
      if (this.#overOf(session.channelId)?.isEnded || !this.#counts(session)) continue;
      if (this.#byChannel.has(session.channelId)) continue;
      const devices = this.#devicesOf(session.app, session.account);
      const rivals = this.#sameDevice(session, devices);
      const newest = rivals.every(({ generation }) => generation < session.generation);
      if (!newest || (rivals.length === 0 && devices.size >= this.#options.devices)) {
        gone.push(session);
        continue;
      }
      for (const rival of rivals) {
        gone.push(this.#forget(rival, devices));
        this.#remember(rival.channelId, false);
      }
      this.#put(session, devices);
    }
    return Promise.resolve(gone);
  }

  locate(app: string, accounts: readonly string[]): Promise<Location[]> {
    const found: Location[] = [];
    const online = this.#apps.get(app);
    if (online) {
      for (const account of accounts) {
        for (const { session } of online.get(account)?.values() ?? []) if (this.#counts(session)) found.push(session);
      }
    }
    return Promise.resolve(found);
  }

  touch(channelIds: readonly string[]): Promise<string[]> {
    const now = this.#clock.mono();
    const missing: string[] = [];
    for (const id of channelIds) {
      const online = this.#byChannel.get(id);
      if (online) online.lastHeardMs = now;
      else missing.push(id);
    }
    return Promise.resolve(missing);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#byChannel.clear();
    this.#apps.clear();
    this.#over.clear();
    return Promise.resolve();
  }

  #counts({ incarnation }: Session): boolean {
    return incarnation === "" || this.#options.leases?.held(gatewayLease(incarnation)) === true;
  }

  #overOf(channelId: string): Over | undefined {
    const over = this.#over.get(channelId);
    return over && over.untilMs > this.#clock.mono() ? over : undefined;
  }

  #remember(channelId: string, isEnded: boolean): void {
    const nowMs = this.#clock.mono();
    this.#over.delete(channelId);
    this.#over.set(channelId, { untilMs: nowMs + OVER_MS, isEnded });
    for (const [id, { untilMs }] of this.#over) {
      if (untilMs > nowMs) return;
      this.#over.delete(id);
    }
  }

  /** Those of an account that its device may be one of: with a limit of one it is any. */
  #sameDevice({ device }: Session, devices: ReadonlyMap<string, Online>): Session[] {
    const all = [...devices.values()].map(({ session }) => session);
    return this.#options.devices === 1 ? all : all.filter((one) => one.device === device);
  }

  #devicesOf(app: string, account: string): Map<string, Online> {
    let accounts = this.#apps.get(app);
    if (!accounts) this.#apps.set(app, accounts = new Map());
    let devices = accounts.get(account);
    if (!devices) accounts.set(account, devices = new Map());
    return devices;
  }

  #put(session: Session, devices: Map<string, Online>): void {
    const online: Online = { session, lastHeardMs: this.#clock.mono() };
    devices.set(session.device, online);
    this.#byChannel.set(session.channelId, online);
    this.#over.delete(session.channelId);
  }

  #forget(session: Session, devices: Map<string, Online>): Session {
    this.#byChannel.delete(session.channelId);
    devices.delete(session.device);
    return session;
  }
}

function gone(why: string): ImError {
  return new ImError("CLOSED", `Cannot log in: ${why}`);
}

function mostSilent(devices: ReadonlyMap<string, Online>): Session {
  let silent: Online | undefined;
  for (const one of devices.values()) if (!silent || one.lastHeardMs < silent.lastHeardMs) silent = one;
  return silent!.session;
}
