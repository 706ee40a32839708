import type { Browser, BrowserContext } from "playwright-core";
import { PetrelClient } from "../../src/sdk/mod.ts";
import { ChatTab } from "./chat_tab.ts";
import { startChromium } from "./chromium.ts";
import { DevServer, type DevServerOptions } from "./server.ts";

/** A browser and a server with the chat page: what the tests of one file share. */
export class ChatStand implements AsyncDisposable {
  readonly browser: Browser;
  readonly server: DevServer;
  readonly #stack: AsyncDisposableStack;
  #names = 0;

  private constructor(browser: Browser, server: DevServer, stack: AsyncDisposableStack) {
    this.browser = browser;
    this.server = server;
    this.#stack = stack;
  }

  static async start(options: DevServerOptions = {}): Promise<ChatStand> {
    await using stack = new AsyncDisposableStack();
    const server = stack.use(await DevServer.start(options));
    const browser = stack.use(await startChromium());
    return new ChatStand(browser, server, stack.move());
  }

  /** Two accounts nobody has used yet. */
  pair(): [ann: string, bob: string] {
    this.#names++;
    return [`ann${this.#names}`, `bob${this.#names}`];
  }

  /** A tab in which `as` talks to `to`; it logs in by itself. */
  async open(context: BrowserContext, as: string, to: string): Promise<ChatTab> {
    const tab = await ChatTab.open(context, `${this.server.http}/?as=${as}&to=${to}`);
    await tab.is("online");
    return tab;
  }

  /** A client outside of any browser, logged in. Closed with the test. */
  async client(account: string, device?: string): Promise<PetrelClient & AsyncDisposable> {
    const client = new PetrelClient({ url: this.server.ws, token: () => this.server.token(account), device });
    await client.login();
    return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
