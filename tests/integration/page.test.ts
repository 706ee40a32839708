import { describe, expect, test } from "bun:test";
import { cp, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import * as runtime from "#runtime";
import { pageLoader } from "../../src/cli/load_page.ts";
import { PetrelClient } from "../../src/sdk/client.ts";
import { MemoryStorage } from "../../src/sdk/storage.ts";
import { tempDir } from "../support/temp.ts";
import { LocalSystem } from "./system_local.ts";

const WEB = fileURLToPath(new URL("../../src/web/", import.meta.url));
const FACTS = { version: "1.0.0", runtime: 'a "quoted" <one>', demo: "on", health: "on" } as const;

describe("the chat page", () => {
  test("is served at / with its program, and the demo's token logs in", async () => {
    await using system = await LocalSystem.start({ demo: true });
    const { http, ws } = system.system;
    const page = await fetch(http);
    const html = await page.text();
    expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    expect(html).toContain('data-demo="on" data-health="on"');
    for (const [, path] of html.matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
      const file = await fetch(http + path);
      expect([path, file.status, (await file.text()).length > 1_000]).toEqual([path, 200, true]);
    }
    const response = await fetch(`${http}/demo/token`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"account":"ann"}',
    });
    const { token } = await response.json() as { token: string };
    const client = new PetrelClient({ url: `${ws}/`, token, storage: new MemoryStorage() });
    await client.login();
    expect(client.account).toBe("ann");
    await client.close();
  }, 30_000);

  test("gives no token while the demo is off, and says so in the page", async () => {
    await using system = await LocalSystem.start();
    const { http } = system.system;
    expect(await (await fetch(http)).text()).toContain('data-demo="off"');
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${http}/demo/token`, { method: "POST", headers, body: '{"account":"ann"}' });
    expect([response.status, await response.json()]).toMatchObject([403, { code: "DEMO_OFF" }]);
  }, 30_000);

  test("takes a program that was built before, and then bundles nothing", async () => {
    await using dir = await tempDir();
    await cp(WEB, dir.path, { recursive: true });
    await writeFile(dir.in("page.js"), "built()");
    const bundle = () => Promise.reject(new Error("must not be called"));
    const files = await pageLoader(bundle, FACTS, dir.path + "/")();
    expect(files.get("/page.js")?.text).toBe("built()");
    expect(files.get("/")?.text).toContain('data-runtime="a &quot;quoted&quot; &lt;one>"');
  });

  test("is made once; after a failure it is tried again", async () => {
    let made = 0;
    const files = pageLoader(
      () => ++made === 1 ? Promise.reject(new Error("no network")) : Promise.resolve("js"),
      FACTS,
    );
    await expect(files()).rejects.toThrow("no network");
    expect((await Promise.all([files(), files()])).map((one) => one.get("/page.js")?.text)).toEqual(["js", "js"]);
    expect(made).toBe(2);
  });

  test("a program that cannot be bundled is told with its name", async () => {
    await using dir = await tempDir();
    await writeFile(dir.in("main.ts"), 'import { x } from "./nowhere.ts"; x();');
    await expect(runtime.bundle(dir.in("main.ts"))).rejects.toThrow(/^Cannot bundle .*main\.ts: /);
    await rm(dir.in("main.ts"));
  });
});
