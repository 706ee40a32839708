import type { Clock } from "../base/clock.ts";
import type { Location, Session, SessionStore } from "./store.ts";

interface Online {
  readonly session: Session;
  lastHeardMs: number;
}

/** Sessions of one process, in memory. `devices` is the most that one account may have online. */
export class MemorySessionStore implements SessionStore {
  readonly #clock: Clock;
  readonly #devices: number;
  readonly #byChannel = new Map<string, Online>();
  /** app, then account, then device. */
  readonly #apps = new Map<string, Map<string, Map<string, Online>>>();

  constructor(clock: Clock, options: { devices: number }) {
    this.#clock = clock;
    this.#devices = options.devices;
  }

  add(session: Session): Promise<Session[]> {
    const devices = this.#devicesOf(session.app, session.account);
    const replaced: Session[] = [];
    const before = devices.get(session.device);
    if (before) replaced.push(this.#forget(before.session, devices));
    while (devices.size >= this.#devices) replaced.push(this.#forget(mostSilent(devices), devices));
    const online: Online = { session, lastHeardMs: this.#clock.mono() };
    devices.set(session.device, online);
    this.#byChannel.set(session.channelId, online);
    return Promise.resolve(replaced);
  }

  get(channelId: string): Promise<Session | undefined> {
    return Promise.resolve(this.#byChannel.get(channelId)?.session);
  }

  delete(gone: Pick<Session, "app" | "account" | "device" | "channelId" | "generation">): Promise<boolean> {
    const online = this.#byChannel.get(gone.channelId);
    if (online?.session.generation !== gone.generation) return Promise.resolve(false);
    const accounts = this.#apps.get(gone.app);
    const devices = accounts?.get(gone.account);
    if (devices) {
      this.#forget(online.session, devices);
      if (devices.size === 0) accounts!.delete(gone.account);
      if (accounts!.size === 0) this.#apps.delete(gone.app);
    }
    return Promise.resolve(true);
  }

  locate(app: string, accounts: readonly string[]): Promise<Location[]> {
    const found: Location[] = [];
    const online = this.#apps.get(app);
    if (online) {
      for (const account of accounts) {
        for (const one of online.get(account)?.values() ?? []) found.push(one.session);
      }
    }
    return Promise.resolve(found);
  }

  touch(channelIds: readonly string[]): Promise<void> {
    const now = this.#clock.mono();
    for (const id of channelIds) {
      const online = this.#byChannel.get(id);
      if (online) online.lastHeardMs = now;
    }
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#byChannel.clear();
    this.#apps.clear();
    return Promise.resolve();
  }

  #devicesOf(app: string, account: string): Map<string, Online> {
    let accounts = this.#apps.get(app);
    if (!accounts) this.#apps.set(app, accounts = new Map());
    let devices = accounts.get(account);
    if (!devices) accounts.set(account, devices = new Map());
    return devices;
  }

  #forget(session: Session, devices: Map<string, Online>): Session {
    this.#byChannel.delete(session.channelId);
    devices.delete(session.device);
    return session;
  }
}

function mostSilent(devices: ReadonlyMap<string, Online>): Session {
  let silent: Online | undefined;
  for (const one of devices.values()) if (!silent || one.lastHeardMs < silent.lastHeardMs) silent = one;
  return silent!.session;
}
