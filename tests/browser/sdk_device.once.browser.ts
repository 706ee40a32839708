/** Device names of tabs, with the Web Locks and the sessionStorage of a real browser. Run by scripts/ok.ts alone. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import { type AddressInfo } from "node:net";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { bundle } from "./bundle.ts";
import { startChromium } from "./chromium.ts";

/** Chromium takes it as the machine itself, and takes the page as one that was not served securely. */
const INSECURE = "petrel.test";

let browser: Browser;
let server: Server;
let port: number;

beforeAll(async () => {
  const script = await bundle(new URL("../../src/sdk/device.ts", import.meta.url).pathname);
  // The bundle exports; the page wants to call.
  const code = script.replace(/export\s*\{[^}]*?claimDevice[^}]*\};?/, "");
  const page = `<!doctype html><meta charset="utf-8"><script type="module">${code}
    const claim = await claimDevice(); globalThis.free = claim.free; document.title = claim.name;</script>`;
  server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/html" });
    response.end(page);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
  browser = await startChromium();
}, 60_000);

afterAll(async () => {
  await browser?.close();
  server?.close();
}, 30_000);

async function nameOf(page: Page): Promise<string> {
  await page.waitForFunction("document.title !== ''");
  return await page.title();
}

async function open(context: BrowserContext, host = "127.0.0.1"): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`http://${host}:${port}/`);
  return page;
}

/** A tab with a copy of that one's sessionStorage, as a browser makes when a tab is duplicated. */
async function duplicate(page: Page): Promise<Page> {
  const opened = page.waitForEvent("popup");
  await page.evaluate("void window.open(location.href)");
  return await opened;
}

const slots = (names: readonly string[]) => names.map((name) => Number(name.split("-").at(-1))).sort();

describe("tabs of one browser", () => {
  test("have names of their own, which reloads keep and which a closed tab leaves to the next", async () => {
    await using context = await browser.newContext();
    const pages = [await open(context), await open(context), await open(context)];
    const names = await Promise.all(pages.map(nameOf));
    expect(slots(names)).toEqual([1, 2, 3]);
    for (let round = 0; round < 5; round++) {
      await Promise.all(pages.map((page) => page.reload()));
      expect(await Promise.all(pages.map(nameOf))).toEqual(names);
    }
    await pages[1]!.close();
    expect(await nameOf(await open(context))).toBe(names[1]!);
  }, 30_000);

  test("that are duplicated have another name", async () => {
    await using context = await browser.newContext();
    const first = await open(context);
    const name = await nameOf(first);
    const copy = await duplicate(first);
    expect(slots([name, await nameOf(copy)])).toEqual([1, 2]);
    await Promise.all([first.reload(), copy.reload()]);
    expect([await nameOf(first), slots([await nameOf(copy)])]).toEqual([name, [2]]);
  }, 30_000);

  test("come back to a name by the back button", async () => {
    await using context = await browser.newContext();
    const page = await open(context);
    const name = await nameOf(page);
    await page.goto("about:blank");
    await page.goBack();
    expect(await nameOf(page)).toBe(name);
  }, 30_000);
});

describe("tabs of a page that was not served securely", () => {
  test("have random names, which reloads keep and duplicates do not share", async () => {
    await using insecure = await startChromium([`--host-resolver-rules=MAP ${INSECURE} 127.0.0.1`]);
    await using context = await insecure.newContext();
    const page = await open(context, INSECURE);
    expect(await page.evaluate("isSecureContext || 'locks' in navigator")).toBe(false);
    const name = await nameOf(page);
    expect(name).toMatch(/^web-[a-z0-9]{14}$/);
    const copy = await nameOf(await duplicate(page));
    const other = await nameOf(await open(context, INSECURE));
    expect(new Set([name, copy, other]).size).toBe(3);
    await page.reload();
    expect(await nameOf(page)).toBe(name);
    await page.goto("about:blank");
    await page.goBack();
    expect(await nameOf(page)).toBe(name);
  }, 60_000);
});
