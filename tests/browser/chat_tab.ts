import type { BrowserContext, Page } from "playwright-core";
import { until } from "./until.ts";

/** What browsers say about connections that fail, and about an answer that is no 2xx. */
const NETWORK = /^WebSocket connection to |^Failed to load resource/;

/** One bubble. */
export interface Shown {
  readonly text: string;
  readonly own: boolean;
  readonly state: string;
}

/** A browser's tab with the chat page, as a person sees it. */
export class ChatTab {
  readonly page: Page;
  /** Errors and warnings of the console, and what no script caught; without failed connections. */
  readonly complaints: readonly string[];

  private constructor(page: Page, complaints: readonly string[]) {
    this.page = page;
    this.complaints = complaints;
  }

  /** Opens `/` of the server with that query, "?as=ann&to=bob" say. */
  static async open(context: BrowserContext, url: string): Promise<ChatTab> {
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => {
      const text = message.text();
      if (["error", "warning"].includes(message.type()) && !NETWORK.test(text)) complaints.push(text);
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("dialog", (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    await page.goto(url);
    return new ChatTab(page, complaints);
  }

  /** The element with that `data-testid`. */
  part(name: string) {
    return this.page.getByTestId(name);
  }

  /** `login`, `connecting`, `online`, `offline` or `closed`. */
  async state(): Promise<string> {
    return await this.page.locator("body").getAttribute("data-state") ?? "";
  }

  async is(wanted: "login" | "connecting" | "online" | "offline" | "closed"): Promise<void> {
    await until(`the page is ${wanted}`, () => this.state(), (state) => state === wanted);
  }

  /** What has the focus: its `data-testid`, else its tag; and whether one can see that. */
  async focused(): Promise<{ name: string; ring: boolean }> {
    return await this.page.locator("body").evaluate(({ ownerDocument }) => {
      const { activeElement, defaultView } = ownerDocument;
      const { outlineStyle, boxShadow } = defaultView.getComputedStyle(activeElement);
      return {
        name: activeElement.dataset.testid ?? activeElement.tagName,
        ring: outlineStyle !== "none" || boxShadow !== "none",
      };
    });
  }

  /** Types the text and sends it with the Enter key. */
  async say(text: string): Promise<void> {
    await this.part("composer").fill(text);
    await this.part("composer").press("Enter");
  }

  /** Does not wait for the next attempt to connect; harmless when it has come meanwhile. */
  async tryNow(): Promise<void> {
    await this.part("try-now").click({ timeout: 1_000 }).catch(() => {}); // gone: it is connected
  }

  /** The bubbles of the conversation that is open, from top to bottom. */
  async shown(): Promise<Shown[]> {
    return await this.part("message").evaluateAll((nodes) =>
      nodes.map((node) => ({
        text: node.querySelector("[data-testid=message-text]")?.textContent ?? "",
        own: node.getAttribute("data-own") === "true",
        state: node.getAttribute("data-state") ?? "",
      }))
    );
  }

  /** Waits until exactly these texts are shown, in this order, and none is on its way. */
  async shows(texts: readonly string[]): Promise<Shown[]> {
    const wanted = JSON.stringify(texts);
    return await until(
      `${wanted} is shown`,
      () => this.shown(),
      (shown) =>
        JSON.stringify(shown.map(({ text }) => text)) === wanted && shown.every(({ state }) => state !== "sending"),
    );
  }

  /** The list's line of a conversation. */
  line(peer: string) {
    return this.page.locator(`[data-testid=conversation][data-peer="${peer}"]`);
  }

  /** Waits until the list says that so many messages are unread. */
  async unread(peer: string, count: number): Promise<void> {
    const ask = () => this.line(peer).getAttribute("data-unread", { timeout: 1_000 }).catch(() => null);
    await until(`${count} of ${peer} are unread`, ask, (text) => text === String(count));
  }

  /** Waits until the panel shows exactly these members, in this order. */
  async members(wanted: readonly string[]): Promise<void> {
    const ask = () =>
      this.part("member").evaluateAll((nodes) => nodes.map((node) => node.getAttribute("data-account")));
    await until(`the members are ${wanted}`, ask, (names) => names.join() === wanted.join());
  }
}
