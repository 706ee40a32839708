import { describe, expect, test } from "bun:test";
import { checkImports } from "../../scripts/check_imports.ts";
import { plantedTree } from "./planted_tree.ts";

describe("checkImports", () => {
  const broken = [
    {
      name: "base importing protocol",
      files: { "src/base/a.ts": `\nimport { b } from "../protocol/b.ts";`, "src/protocol/b.ts": "export const b = 1;" },
      problem: "src/base/a.ts:2: may not import ../protocol/b.ts: it is protocol; base may import the clock",
    },
    {
      name: "a type where a value would be refused",
      files: { "src/comm/a.ts": `import type { B } from "../services/b.ts";`, "src/services/b.ts": "" },
      problem: "src/comm/a.ts:1: may not import ../services/b.ts: it is services; comm may import protocol",
    },
    {
      name: "a re-export",
      files: { "src/sdk/mod.ts": `export { B } from "../services/b.ts";`, "src/services/b.ts": "" },
      problem: "src/sdk/mod.ts:1: may not import ../services/b.ts",
    },
    {
      name: "an import made later",
      files: { "src/sdk/a.ts": `const b = await import("../cli/b.ts");`, "src/cli/b.ts": "" },
      problem: "src/sdk/a.ts:1: may not import ../cli/b.ts: it is cli",
    },
    {
      name: "an import through the package's own door",
      files: {
        "package.json": `{ "name": "petrel", "exports": { "./server": "./src/services/mod.ts" } }`,
        "src/sdk/a.ts": `import { Gateway } from "petrel/server";`,
        "src/services/mod.ts": "",
      },
      problem: "src/sdk/a.ts:1: may not import petrel/server: it is services",
    },
    {
      name: "a service importing an edge",
      files: { "src/services/a.ts": `import "../message/sqlite/b.ts";`, "src/message/sqlite/b.ts": "" },
      problem: "src/services/a.ts:1: may not import ../message/sqlite/b.ts: it is store edges",
    },
    {
      name: "a service importing the runtime by its alias",
      files: { "src/services/a.ts": `import { dial } from "#runtime";` },
      problem: "src/services/a.ts:1: may not import #runtime: it is runtime",
    },
    {
      name: "one service importing another",
      files: { "src/services/gateway/a.ts": `import "../logic/b.ts";`, "src/services/logic/b.ts": "" },
      problem:
        "src/services/gateway/a.ts:1: may not import ../logic/b.ts: folders of services do not import each other",
    },
    {
      name: "a source importing a test",
      files: { "src/comm/a.ts": `import "./b.test.ts";`, "src/comm/b.test.ts": "" },
      problem: "src/comm/a.ts:1: may not import ./b.test.ts: it is tests",
    },
    {
      name: "a file outside",
      files: { "src/cli/a.ts": `import "../../deno.json";` },
      problem: "src/cli/a.ts:1: may not import ../../deno.json: it lies outside",
    },
    {
      name: "a folder without a rule",
      files: { "src/utils/a.ts": "" },
      problem: "src/utils/a.ts:1: may not be here: no row",
    },
    {
      name: "a module of the runtime in the core",
      files: { "src/comm/a.ts": `import { join } from "node:path";` },
      problem: "src/comm/a.ts:1: may not import node:path: comm has no runtime",
    },
    {
      name: "a package out of place",
      files: { "src/comm/a.ts": `import { Hono } from "hono/tiny";` },
      problem: "src/comm/a.ts:1: may not import hono/tiny: comm may use no packages",
    },
    {
      name: "a package of another area",
      files: { "src/services/a.ts": `import { pino } from "pino";` },
      problem: "src/services/a.ts:1: may not import pino: services may use hono, zod",
    },
    {
      name: "a package that is not installed",
      files: { "src/cli/a.ts": `import _ from "lodash";` },
      problem: "src/cli/a.ts:1: may not import lodash: it is not in package.json",
    },
    {
      name: "bun:test outside tests",
      files: { "src/cli/a.ts": `import { test } from "bun:test";` },
      problem: "src/cli/a.ts:1: may not import bun:test: it is for tests",
    },
    {
      name: "a runtime's global in the core",
      files: { "src/comm/a.ts": `// Deno\nexport const env = \`\${Deno.env}\`;` },
      problem: "src/comm/a.ts:2: may not use Deno: comm gets runtime handed in",
    },
    {
      name: "a timer outside the clock",
      files: { "src/runtime/bun/a.ts": `setTimeout(() => {}, 1);` },
      problem: "src/runtime/bun/a.ts:1: may not use setTimeout: runtime gets time handed in",
    },
    {
      name: "chance in a service",
      files: { "src/services/a.ts": `export const a = Math.random();` },
      problem: "src/services/a.ts:1: may not use Math.random: services gets chance handed in",
    },
    {
      name: "console in a service",
      files: { "src/services/a.ts": `console.log("x");` },
      problem: "src/services/a.ts:1: may not use console: services gets console handed in",
    },
    {
      name: "a cycle",
      files: {
        "src/comm/a.ts": `import "./b.ts";`,
        "src/comm/b.ts": `import "./c.ts";`,
        "src/comm/c.ts": `import "./b.ts";`,
      },
      problem: "src/comm/b.ts:1: may not import itself: src/comm/b.ts → src/comm/c.ts → src/comm/b.ts",
    },
  ];
  test.each(broken)("refuses $name", async ({ files, problem }) => {
    await using root = await plantedTree(files);
    const problems = await checkImports(root.path);
    expect(problems.length).toBe(1);
    expect(problems[0]).toContain(problem);
  });

  test("finds nothing in a tree that keeps the rule", async () => {
    await using root = await plantedTree({
      "src/base/clock.ts": `export const now = () => Date.now();`,
      "src/base/a.ts": `import { now } from "./clock.ts"; // setTimeout\nexport const a = "Deno";`,
      "src/comm/ports.ts": `export type Serve = (fetch: (request: Request) => Response) => void;`,
      "src/message/message_store.ts": `export interface Store { readonly process: string }`,
      "src/message/sqlite.ts":
        `import { DatabaseSync } from "node:sqlite";\nimport type { Store } from "./message_store.ts";`,
      "src/services/logic/a.ts": `import { Hono } from "hono";\nimport { a } from "../../base/a.ts";\napp.fetch(a);`,
      "src/services/logic/a.test.ts": `import { test } from "bun:test";\nimport "../gateway/b.ts";\nconsole.log(Bun);`,
      "src/services/gateway/b.ts": `import type { Store } from "../../message/message_store.ts";`,
      "src/cli/main.ts":
        `import "../message/sqlite.ts";\nimport "#runtime";\nimport pino from "pino";\nprocess.exit();`,
      "tests/integration/a.test.ts": `import "../../src/cli/main.ts";`,
    });
    expect(await checkImports(root.path)).toEqual([]);
  });
});
