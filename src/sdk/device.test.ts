import { describe, expect, test } from "bun:test";
import { isName } from "../protocol/names.ts";
import { claimDevice, type DevicePage } from "./device.ts";

/** One browser profile: its locks and its localStorage, shared by its tabs. */
class Browser {
  readonly local = texts(new Map());
  readonly #held = new Map<string, () => void>();
  readonly #waiting: (() => void)[] = [];

  /** A tab; `copied`: sessionStorage of the tab it was duplicated from. */
  tab(copied: ReadonlyMap<string, string> = new Map(), secure = true) {
    const session = new Map(copied);
    const mine: string[] = [];
    const listeners = new Map<string, Set<() => void>>();
    const request = (name: string, options: { ifAvailable?: boolean; signal?: AbortSignal }, run: Run) =>
      new Promise<void>((resolve, reject) => {
        const attempt = () => {
          if (options.signal?.aborted) return;
          if (this.#held.has(name)) {
            if (options.ifAvailable) return void run(null).then(resolve);
            return void this.#waiting.push(attempt);
          }
          this.#held.set(name, () => {});
          mine.push(name);
          void run({ name }).then(() => (this.#release(name), resolve()));
        };
        options.signal?.addEventListener("abort", () => reject(options.signal?.reason));
        setTimeout(attempt, 0);
      });
    const target = {
      addEventListener: (type: string, listener: () => void) => {
        listeners.set(type, (listeners.get(type) ?? new Set()).add(listener));
      },
      removeEventListener: (type: string, listener: () => void) => void listeners.get(type)?.delete(listener),
    };
    const fire = (type: string) => listeners.get(type)?.forEach((listener) => listener());
    const document = { ...target, visibilityState: "visible" };
    const page: DevicePage = {
      ...target,
      document,
      localStorage: this.local,
      sessionStorage: texts(session),
      navigator: secure ? { locks: { request } } : {},
    };
    const gone = () => {
      fire("pagehide");
      for (const name of mine) this.#release(name);
    };
    return { page, session, gone, fire, document, listeners };
  }

  #release(name: string): void {
    this.#held.delete(name);
    for (const attempt of this.#waiting.splice(0)) attempt();
  }
}

type Run = (lock: unknown) => Promise<void>;

function texts(map: Map<string, string>) {
  return {
    getItem: (key: string) => map.get(key) ?? null,
    setItem: (key: string, value: string) => void map.set(key, value),
    removeItem: (key: string) => void map.delete(key),
  };
}

const slot = (name: string) => Number(name.split("-").at(-1));

describe("claimDevice", () => {
  test("tabs of one browser get different names, the first free one each; another browser shares none", async () => {
    const browser = new Browser();
    const tabs = [browser.tab(), browser.tab(), browser.tab()];
    const claims = await Promise.all(tabs.map(({ page }) => claimDevice("web", page)));
    const names = claims.map(({ name }) => name);
    expect(names.map(slot).sort()).toEqual([1, 2, 3]);
    expect(new Set(names.map((name) => name.slice(0, -1))).size).toBe(1);
    expect(names.every(isName)).toBe(true);
    tabs[names.findIndex((name) => slot(name) === 2)]!.gone();
    expect(slot((await claimDevice("web", browser.tab().page)).name)).toBe(2);
    const other = await claimDevice("web", new Browser().tab().page);
    expect(slot(other.name)).toBe(1);
    expect(names).not.toContain(other.name);
  });

  test("a reloaded tab gets its own name again, also while its lock is still being given back", async () => {
    const browser = new Browser();
    await claimDevice("web", browser.tab().page);
    const second = browser.tab();
    const { name } = await claimDevice("web", second.page);
    const third = await claimDevice("web", browser.tab().page);
    const again = claimDevice("web", browser.tab(second.session).page);
    setTimeout(second.gone, 50);
    expect((await again).name).toBe(name);
    expect(slot(third.name)).toBe(3);
  });

  test("a duplicated tab gets another name", async () => {
    const browser = new Browser();
    const first = browser.tab();
    const { name } = await claimDevice("web", first.page);
    const copy = await claimDevice("web", browser.tab(first.session).page);
    expect(copy.name).not.toBe(name);
    expect(slot(copy.name)).toBe(2);
  });

  test("free gives the name to the next, and twice is harmless", async () => {
    const browser = new Browser();
    const claim = await claimDevice("web", browser.tab().page);
    claim.free();
    claim.free();
    expect((await claimDevice("web", browser.tab().page)).name).toBe(claim.name);
  });

  test("prefixes do not get in each other's way", async () => {
    const browser = new Browser();
    const { page } = browser.tab();
    expect([slot((await claimDevice("web", page)).name), slot((await claimDevice("demo", page)).name)]).toEqual([1, 1]);
  });

  test("blocked site data: a random name", async () => {
    const blocked: DevicePage = {
      ...new Browser().tab().page,
      get localStorage(): never {
        throw new DOMException("no", "SecurityError");
      },
      get sessionStorage(): never {
        throw new DOMException("no", "SecurityError");
      },
    };
    const { name } = await claimDevice("web", blocked);
    expect(name).toMatch(/^web-[a-z0-9]{14}$/);
  });
});

describe("claimDevice without Web Locks", () => {
  test("a reloaded tab keeps its name, a duplicated one does not, nor one that is new", async () => {
    const browser = new Browser();
    const first = browser.tab(new Map(), false);
    const { name } = await claimDevice("web", first.page);
    const copy = await claimDevice("web", browser.tab(first.session, false).page);
    expect(copy.name).not.toBe(name);
    first.gone();
    const reloaded = browser.tab(first.session, false);
    expect((await claimDevice("web", reloaded.page)).name).toBe(name);
    const copyOfReloaded = await claimDevice("web", browser.tab(reloaded.session, false).page);
    expect(copyOfReloaded.name).not.toBe(name);
  });

  test("a hidden tab that is discarded keeps its name; one that is shown again does not leave it lying about", async () => {
    const browser = new Browser();
    const tab = browser.tab(new Map(), false);
    const { name, free } = await claimDevice("web", tab.page);
    tab.document.visibilityState = "hidden";
    tab.fire("visibilitychange");
    expect([...tab.session.values()]).toEqual([name]);
    tab.document.visibilityState = "visible";
    tab.fire("visibilitychange");
    expect(tab.session.size).toBe(0);
    free();
    tab.gone();
    expect(tab.session.size).toBe(0);
  });

  test("a runtime that has none of this gets a random name", async () => {
    const names = [await claimDevice("web", {}), await claimDevice("web", {})].map(({ name }) => name);
    expect(names[0]).toMatch(/^web-[a-z0-9]{14}$/);
    expect(names[1]).not.toBe(names[0]);
  });
});
