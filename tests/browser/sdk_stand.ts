import { expect } from "bun:test";
import type { Browser, BrowserContext } from "playwright-core";
import { startChromium } from "./chromium.ts";
import type { PageOptions, PageState } from "./sdk_page.fixture.ts";
import { SdkPages } from "./sdk_pages.ts";
import { bodies, SdkTab } from "./sdk_tab.ts";
import { DevServer } from "./server.ts";

/** A browser, a server and a page with the SDK: what the tests of one file share. */
export class SdkStand implements AsyncDisposable {
  readonly browser: Browser;
  readonly server: DevServer;
  readonly #pages: SdkPages;
  readonly #stack: AsyncDisposableStack;
  #pairs = 0;

  private constructor(browser: Browser, server: DevServer, pages: SdkPages, stack: AsyncDisposableStack) {
    this.browser = browser;
    this.server = server;
    this.#pages = pages;
    this.#stack = stack;
  }

  static async start(): Promise<SdkStand> {
    await using stack = new AsyncDisposableStack();
    const pages = stack.use(await SdkPages.start());
    const server = stack.use(await DevServer.start());
    const browser = stack.use(await startChromium());
    return new SdkStand(browser, server, pages, stack.move());
  }

  /** Two accounts nobody has used yet. */
  pair(): [ann: string, bob: string] {
    this.#pairs++;
    return [`ann${this.#pairs}`, `bob${this.#pairs}`];
  }

  /** A tab with a client of that account, which starts to log in. */
  open(context: BrowserContext, account: string, more: Partial<PageOptions> = {}): Promise<SdkTab> {
    return SdkTab.open(context, this.#pages, { url: this.server.ws, token: this.server.token(account), ...more });
  }

  /**
   * Lets the pages of that context store so many bytes; the function returned sets another number. To be called before
   * the first of them: the browser remembers for a while how much room it saw.
   */
  async limitStorage(context: BrowserContext, bytes: number): Promise<(bytes: number) => Promise<void>> {
    const devtools = await context.newCDPSession(await context.newPage());
    const { origin } = new URL(this.#pages.url);
    const limit = async (quotaSize: number) => {
      await devtools.send("Storage.overrideQuotaForOrigin", { origin, quotaSize });
    };
    await limit(bytes);
    return limit;
  }

  /** Deletes what pages of this context keep in IndexedDB, as a person does who clears the site's data. */
  async clearStorage(context: BrowserContext): Promise<void> {
    const devtools = await context.newCDPSession(await context.newPage());
    const { origin } = new URL(this.#pages.url);
    await devtools.send("Storage.clearDataForOrigin", { origin, storageTypes: "indexeddb" });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** `prefix1`, `prefix2`… */
export function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`);
}

/** Both have said what they wanted, and have been answered: each must have what the other said, once, in order. */
export async function expectAll(one: SdkTab, two: SdkTab): Promise<[PageState, PageState]> {
  const [left, right] = await Promise.all([one.settled(), two.settled()]);
  for (const { sent } of [left, right]) expect(sent.filter(({ state }) => state !== "durable")).toEqual([]);
  const [atLeft, atRight] = await Promise.all([
    one.until("the left has all", ({ received }) => received.length >= right.sent.length),
    two.until("the right has all", ({ received }) => received.length >= left.sent.length),
  ]);
  expect(bodies(atLeft)).toEqual(right.sent.map(({ body }) => body));
  expect(bodies(atRight)).toEqual(left.sent.map(({ body }) => body));
  for (const tab of [one, two]) expect(tab.complaints).toEqual([]);
  for (const { problems } of [atLeft, atRight]) expect(problems).toEqual([]);
  return [atLeft, atRight];
}
