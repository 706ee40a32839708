import { expect, test } from "bun:test";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packageManifest, refusal } from "../../scripts/package_manifest.ts";
import { relativeSpecifiers, toJsSpecifiers } from "../../scripts/specifiers.ts";
import { ROOT } from "../support/processes.ts";
import { tempDir } from "../support/temp.ts";

const SOURCE = {
  name: "petrel",
  version: "1.2.3",
  description: "A server",
  license: "MIT",
  type: "module",
  engines: { bun: "1.4.5", node: ">=22" },
  exports: { ".": "./src/sdk/mod.ts", "./server": "./src/services/mod.ts" },
  imports: { "#runtime": { deno: "./src/runtime/deno/mod.ts", bun: "./src/runtime/bun/mod.ts" } },
  browser: { "protobufjs/minimal.js": "./src/protocol/protobuf_browser.ts" },
  dependencies: { hono: "4.0.0" },
};

test("the package's doors lead to JavaScript with its types first, the server's elsewhere to a refusal", () => {
  const { exports, imports, browser } = packageManifest(SOURCE);
  expect(JSON.stringify(exports)).toBe(JSON.stringify({
    ".": { types: "./src/sdk/mod.d.ts", default: "./src/sdk/mod.js" },
    "./server": {
      types: "./src/services/mod.d.ts",
      bun: "./src/services/mod.js",
      deno: "./src/services/mod.js",
      default: "./src/refusals/server.js",
    },
    "./petrel.min.js": { types: "./src/sdk/mod.d.ts", default: "./petrel.min.js" },
    "./package.json": "./package.json",
  }));
  expect(imports).toEqual({ "#runtime": { deno: "./src/runtime/deno/mod.js", bun: "./src/runtime/bun/mod.js" } });
  expect(browser).toEqual({ "protobufjs/minimal.js": "./src/protocol/protobuf_browser.js" });
});

test("who installs the package may have a newer runtime than the gate's", () => {
  expect(packageManifest(SOURCE)["engines"]).toEqual({ bun: ">=1.4.5", node: ">=22" });
});

test("a server door on another runtime says where it opens, whatever name is imported", async () => {
  await using dir = await tempDir();
  await writeFile(dir.in("server.mjs"), refusal("petrel", "./server", ["Gateway", "LogicServer"]));
  await writeFile(dir.in("app.mjs"), `import { LogicServer } from "./server.mjs"; console.log(LogicServer);`);
  const loading = import(pathToFileURL(dir.in("app.mjs")).href);
  await expect(loading).rejects.toThrow("Cannot load petrel/server: it runs on Bun and on Deno only");
});

test.each([
  [`import { a } from "./a.ts";`, `import { a } from "./a.js";`],
  [`export type { A } from '../a/b.ts';`, `export type { A } from '../a/b.js';`],
  [`import "./side.ts";`, `import "./side.js";`],
  [`const { a } = await import("./a.ts");`, `const { a } = await import("./a.js");`],
  [`let a: import("./a.ts").A;`, `let a: import("./a.js").A;`],
  [`new Worker(new URL("./worker.ts", import.meta.url))`, `new Worker(new URL("./worker.js", import.meta.url))`],
  [`import m from "../package.json" with { type: "json" };`, `import m from "../package.json" with { type: "json" };`],
  [`import { z } from "zod.ts"; log("./a.ts");`, `import { z } from "zod.ts"; log("./a.ts");`],
])("in the package %s is %s", (before, after) => {
  expect(toJsSpecifiers(before)).toBe(after);
});

test("the build sees every module that a module names", () => {
  const text = `import a from "./a.js"; import("../b.js"); new URL("./c.js", import.meta.url); export * from "./a.js";`;
  expect(relativeSpecifiers(text)).toEqual(["./a.js", "../b.js", "./c.js"]);
});

test("deno.json and package.json name one version and the same doors", async () => {
  const [deno, npm] = await Promise.all(
    ["deno.json", "package.json"].map(async (name) => JSON.parse(await readFile(join(ROOT, name), "utf8"))),
  );
  expect({ version: deno.version, exports: deno.exports }).toEqual({ version: npm.version, exports: npm.exports });
});
