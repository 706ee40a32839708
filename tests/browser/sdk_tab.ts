import type { BrowserContext, JSHandle, Page } from "playwright-core";
import type { PageOptions, PageState, SdkPage } from "./sdk_page.fixture.ts";
import type { SdkPages } from "./sdk_pages.ts";
import { until } from "./until.ts";

/** What browsers say about every connection that fails. */
const NETWORK = /^WebSocket connection to /;

/** A browser's tab with one client of the SDK. */
export class SdkTab {
  readonly page: Page;
  /** Errors and warnings of the browser's console, blocked scripts among them; without failed connections. */
  readonly complaints: readonly string[];
  readonly #options: PageOptions;
  #handle: JSHandle<SdkPage>;

  private constructor(page: Page, handle: JSHandle<SdkPage>, options: PageOptions, complaints: readonly string[]) {
    this.complaints = complaints;
    this.page = page;
    this.#handle = handle;
    this.#options = options;
  }

  /** Opens the page and starts the client; `online` waits for it. */
  static async open(context: BrowserContext, pages: SdkPages, options: PageOptions): Promise<SdkTab> {
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => {
      const text = message.text();
      if (["error", "warning"].includes(message.type()) && !NETWORK.test(text)) complaints.push(text);
    });
    await page.goto(pages.url);
    const tab = new SdkTab(page, await page.evaluateHandle<SdkPage>("sdkPage"), options, complaints);
    await tab.#start();
    return tab;
  }

  /** Loads the page anew and starts a client with the same options. */
  async reload(): Promise<void> {
    await this.page.reload();
    this.#handle = await this.page.evaluateHandle<SdkPage>("sdkPage");
    await this.#start();
  }

  look(): Promise<PageState> {
    return this.#handle.evaluate((page) => page.look());
  }

  async talk(dest: string, ...bodies: string[]): Promise<void> {
    await this.#handle.evaluate((page, [dest, bodies]) => page.talk(dest, bodies), [dest, bodies] as const);
  }

  /** Sends `prefix1`, `prefix2`… until `hush`. */
  async keepTalking(dest: string, prefix: string, everyMs: number): Promise<void> {
    await this.#handle.evaluate(
      (page, [dest, prefix, everyMs]) => page.keepTalking(dest, prefix, everyMs),
      [dest, prefix, everyMs] as const,
    );
  }

  async hush(): Promise<void> {
    await this.#handle.evaluate((page) => page.hush());
  }

  /** How many waiting messages the browser's database has; -1 when there is none. */
  kept(): Promise<number> {
    return this.#handle.evaluate((page) => page.kept());
  }

  async close(): Promise<void> {
    await this.#handle.evaluate((page) => page.close());
  }

  until(what: string, isSo: (state: PageState) => boolean): Promise<PageState> {
    return until(what, () => this.look(), isSo);
  }

  online(): Promise<PageState> {
    return this.until("online", ({ state }) => state === "online");
  }

  /** Waits until nothing is under way any more. */
  settled(): Promise<PageState> {
    return this.until("all sent messages are settled", ({ sent }) => sent.every(({ state }) => state !== "sending"));
  }

  async #start(): Promise<void> {
    await this.#handle.evaluate((page, options) => page.start(options), this.#options);
  }
}

export const bodies = (state: PageState): string[] => state.received.map(({ body }) => body);
