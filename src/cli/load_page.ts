import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { Bundle } from "../comm/ports.ts";
import type { PageFile, PageFiles } from "../services/page/app.ts";

/** Words put into the page's `<body>` for its program, as `data-…`. */
export interface PageFacts {
  readonly version: string;
  readonly runtime: string;
  readonly demo: "on" | "off";
  /** Are `/health`, `/ready` and `/metrics` where the page is? */
  readonly health: "on" | "off";
}

/** Where the page's files are; a package that was built beforehand has `page.js` there, and nothing is bundled. */
const FOLDER = fileURLToPath(new URL("../web/", import.meta.url));

/**
 * The page's files, made once: at the first call, and again after a failure. `page.js` is taken when it is there, else
 * bundled from `main.ts`. @throws {ImError} CONFIG from the bundler
 */
export function pageLoader(bundle: Bundle, facts: PageFacts, folder = FOLDER): () => Promise<PageFiles> {
  let files: Promise<PageFiles> | undefined;
  return () => {
    files ??= loadPage(bundle, facts, folder).catch((thrown) => {
      files = undefined;
      throw thrown;
    });
    return files;
  };
}

async function loadPage(bundle: Bundle, facts: PageFacts, folder: string): Promise<PageFiles> {
  const built = folder + "page.js";
  const [html, css, script] = await Promise.all([
    readFile(folder + "index.html", "utf8"),
    readFile(folder + "page.css", "utf8"),
    existsSync(built) ? readFile(built, "utf8") : bundle(folder + "main.ts"),
  ]);
  return new Map([
    ["/", pageFile("text/html; charset=utf-8", html.replace("<body>", bodyTag(facts)))],
    ["/page.css", pageFile("text/css; charset=utf-8", css)],
    ["/page.js", pageFile("text/javascript; charset=utf-8", script)],
  ]);
}

function pageFile(type: string, text: string): PageFile {
  return { type, text, etag: `"${createHash("sha256").update(text).digest("base64url").slice(0, 16)}"` };
}

function bodyTag(facts: PageFacts): string {
  const words = Object.entries(facts).map(([name, value]) => ` data-${name}="${attribute(value)}"`);
  return `<body${words.join("")}>`;
}

function attribute(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}
