import { idMaker, random } from "./random.ts";

/** A device name that nobody else in this browser uses. */
export interface DeviceClaim {
  readonly name: string;
  /** Gives it back before the tab goes. Twice is harmless. */
  free(): void;
}

/** A tab that is reloaded gets its old name when that is free within so long. */
const RELOAD_MS = 500;
/** Names that are tried; a browser with more tabs gets random ones. */
const NAMES = 64;

/**
 * A device name for this tab, to be used as `device` of a client: two tabs of one account with the same name would take
 * each other's place. The first free of `web-<browser>-1`, `web-<browser>-2`…, where `<browser>` is a random id kept in
 * localStorage; a reloaded tab gets its own again, a duplicated one another. Held until the tab goes or `free()`.
 *
 * ```ts
 * import { claimDevice, PetrelClient } from "petrel";
 *
 * export async function chatOfThisTab(url: string, token: string): Promise<PetrelClient> {
 *   const device = await claimDevice();
 *   return new PetrelClient({ url, token, device: device.name });
 * }
 * ```
 *
 * What a closed tab had still to send is sent by the next tab that gets its name. Where there are no Web Locks (pages
 * that are not served securely, other runtimes): a random name that survives a reload. Never rejects.
 */
export async function claimDevice(prefix = "web", page: DevicePage = globalThis as DevicePage): Promise<DeviceClaim> {
  const locks = tryTo(() => page.navigator?.locks);
  const browser = locks && await tryTo(() => browserId(locks, page))?.catch(() => undefined);
  if (!locks || !browser) return unlocked(prefix, page);
  const key = `petrel.device.${prefix}`;
  const session = sessionOf(page);
  const claim = (name: string, options: LockOptions) => hold(locks, name, options, () => session.remove(key));
  const before = session.get(key);
  const again = before && before.startsWith(`${prefix}-${browser}-`)
    ? await claim(before, { signal: AbortSignal.timeout(RELOAD_MS) })
    : undefined;
  let held = again;
  for (let i = 1; !held && i <= NAMES; i++) held = await claim(`${prefix}-${browser}-${i}`, { ifAvailable: true });
  if (!held) return unlocked(prefix, page);
  session.set(key, held.name);
  return held;
}

/** The same for all tabs: made by the first, under a lock. Throws or rejects when site data is blocked. */
function browserId(locks: Locks, page: DevicePage): Promise<string | undefined> {
  const store = page.localStorage;
  return new Promise((resolve, reject) => {
    locks.request("petrel.browser", {}, () => {
      const known = store?.getItem("petrel.browser");
      const id = known || shortId();
      if (!known) store?.setItem("petrel.browser", id);
      return Promise.resolve(resolve(store && id));
    }).catch(reject);
  });
}

/** The claim, or undefined when the lock is somebody else's. */
function hold(locks: Locks, name: string, options: LockOptions, freed: () => void): Promise<DeviceClaim | undefined> {
  return new Promise((resolve) => {
    locks.request(`petrel.device.${name}`, options, (lock) => {
      if (!lock) return Promise.resolve(resolve(undefined));
      const { promise, resolve: end } = Promise.withResolvers<void>();
      const free = () => {
        freed();
        end();
      };
      resolve({ name, free });
      return promise;
    }).catch(() => resolve(undefined)); // not within the time; or the document is going
  });
}

/**
 * Without locks. A duplicated tab copies sessionStorage, so the name is there only while the page is not: it is written
 * when the page goes, and taken out when one comes.
 */
function unlocked(prefix: string, page: DevicePage): DeviceClaim {
  const key = `petrel.device.${prefix}`;
  const session = sessionOf(page);
  const name = session.get(key) || `${prefix}-${shortId()}`;
  const keep = () => session.set(key, name);
  const take = () => session.remove(key);
  const seen = () => page.document?.visibilityState === "hidden" ? keep() : take();
  take();
  page.addEventListener?.("pagehide", keep);
  page.addEventListener?.("pageshow", take);
  page.document?.addEventListener?.("visibilitychange", seen);
  const free = () => {
    page.removeEventListener?.("pagehide", keep);
    page.removeEventListener?.("pageshow", take);
    page.document?.removeEventListener?.("visibilitychange", seen);
    take();
  };
  return { name, free };
}

/** sessionStorage where it may be used; else nothing is remembered. */
function sessionOf(page: DevicePage) {
  return {
    get: (key: string) => tryTo(() => page.sessionStorage?.getItem(key)) ?? undefined,
    set: (key: string, value: string) => tryTo(() => page.sessionStorage?.setItem(key, value)),
    remove: (key: string) => tryTo(() => page.sessionStorage?.removeItem(key)),
  };
}

/** Browsers throw at the mere mention of a storage when site data is blocked. */
function tryTo<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}

/** 64 random bits and a little: letters and digits. */
function shortId(): string {
  return idMaker(random)().slice(0, 14);
}

interface Texts {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

interface LockOptions {
  readonly ifAvailable?: boolean;
  readonly signal?: AbortSignal;
}

/** Web Locks API, as far as it is used. */
interface Locks {
  request(name: string, options: LockOptions, run: (lock: unknown) => Promise<void>): Promise<unknown>;
}

interface Listens {
  addEventListener?(type: string, listener: () => void): void;
  removeEventListener?(type: string, listener: () => void): void;
}

/** The parts of a page that this needs; tests hand in their own. */
export interface DevicePage extends Listens {
  readonly navigator?: { readonly locks?: Locks };
  readonly localStorage?: Texts;
  readonly sessionStorage?: Texts;
  readonly document?: Listens & { readonly visibilityState?: string };
}
