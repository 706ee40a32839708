import { Hono } from "hono";
import { reasonOf } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";

/** One file of the page. */
export interface PageFile {
  readonly type: string;
  readonly text: string;
  /** Changes when the text does; with its quotes. */
  readonly etag: string;
}

/** The page's files by path: "/", "/page.css", "/page.js". */
export type PageFiles = ReadonlyMap<string, PageFile>;

export interface PageDeps {
  /** Asked for at each request; keeps what it made. Rejects while the page cannot be made. */
  readonly files: () => Promise<PageFiles>;
  readonly log: Logger;
}

const PATHS = ["/", "/page.css", "/page.js"] as const;

/** The chat page: three files, never stored without asking, with headers that let nothing else in. */
export function pageApp({ files, log }: PageDeps): Hono {
  const app = new Hono();
  for (const path of PATHS) {
    app.get(path, async (c) => {
      const headers = securityHeaders(c.req.header("host"));
      let file;
      try {
        file = (await files()).get(path);
      } catch (thrown) {
        log.error("the chat page cannot be made", { error: thrown });
        return c.text(`${NOT_MADE}${reasonOf(thrown)}\n`, 503, headers);
      }
      if (!file) return c.notFound();
      const caching = { etag: file.etag, "cache-control": "no-cache" };
      if (matches(c.req.header("if-none-match"), file.etag)) return c.body(null, 304, { ...headers, ...caching });
      return c.body(file.text, 200, { ...headers, ...caching, "content-type": file.type });
    });
    app.all(path, (c) =>
      c.json({ code: "METHOD_NOT_ALLOWED", message: `Only GET is possible at ${path}` }, 405, {
        allow: "GET, HEAD",
      }));
  }
  return app;
}

const NOT_MADE =
  `Petrel runs, but its chat page cannot be made here. WebSocket clients can connect; \`petrel chat\` works.
On Deno the bundler is fetched once: open this page once while the network is there, then it works without.

`;

function matches(asked: string | undefined, etag: string): boolean {
  return asked?.split(",").some((one) => one.trim().replace(/^W\//, "") === etag) ?? false;
}

/**
 * Content Security Policy level 3: our own files, connections to this host, pictures in the page itself; no markup from
 * text (Trusted Types). `'self'` does not cover WebSockets in every browser, hence the host by name.
 */
export function securityHeaders(host: string | undefined): Record<string, string> {
  const sockets = host !== undefined && /^[A-Za-z0-9.:[\]_-]+$/.test(host) ? ` ws://${host} wss://${host}` : "";
  return {
    "content-security-policy": [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self' data:",
      `connect-src 'self'${sockets}`,
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ].join("; "),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
  };
}
