import { describe, expect, test } from "bun:test";
import { silent } from "../../base/logger.ts";
import { pageApp, type PageFile, securityHeaders } from "./app.ts";

const file = (text: string, type = "text/html"): PageFile => ({ type, text, etag: `"${text}"` });
const FILES = new Map([["/", file("page")], ["/page.css", file("css", "text/css")], [
  "/page.js",
  file("js", "text/javascript"),
]]);
const app = pageApp({ files: () => Promise.resolve(FILES), log: silent });

describe("the page app", () => {
  test("gives the three files with their types and strict headers", async () => {
    for (const [path, { text, type }] of FILES) {
      const response = await app.request(path, { headers: { host: "localhost:8000" } });
      expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([200, type, text]);
      expect(response.headers.get("x-content-type-options")).toBe("nosniff");
      expect(response.headers.get("referrer-policy")).toBe("no-referrer");
      const policy = response.headers.get("content-security-policy");
      expect(policy).toContain("default-src 'none'; script-src 'self';");
      expect(policy).toContain("connect-src 'self' ws://localhost:8000 wss://localhost:8000;");
      expect(policy).not.toContain("unsafe");
    }
  });

  test("answers HEAD without a body", async () => {
    const response = await app.request("/", { method: "HEAD" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
  });

  test("answers 304 to a browser that has the file", async () => {
    const ask = (etag: string) => app.request("/page.js", { headers: { "if-none-match": etag } });
    expect((await ask('W/"old", "js"')).status).toBe(304);
    expect((await ask('"old"')).status).toBe(200);
  });

  test("refuses other methods", async () => {
    const response = await app.request("/", { method: "POST", body: "x" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  test("says why when the page cannot be made, and tries again", async () => {
    let broken = true;
    const app = pageApp({
      files: () => broken ? Promise.reject(new Error("Cannot bundle: no network")) : Promise.resolve(FILES),
      log: silent,
    });
    const response = await app.request("/");
    expect(response.status).toBe(503);
    expect(await response.text()).toContain("Cannot bundle: no network");
    broken = false;
    expect((await app.request("/")).status).toBe(200);
  });

  test("a strange Host never gets into the policy", () => {
    for (const host of ["a b", "x; script-src *", "a'b", "ü.example", ""]) {
      expect(securityHeaders(host)["content-security-policy"]).toContain("connect-src 'self';");
    }
    expect(securityHeaders("[::1]:8000")["content-security-policy"]).toContain("ws://[::1]:8000");
  });
});
