import { describe, expect, test } from "bun:test";
import { readFile, writeFile } from "node:fs/promises";
import { checkDoors, saveDoors } from "../../scripts/check_doors.ts";
import { plantedTree } from "./planted_tree.ts";

const manifest = JSON.stringify({ exports: { ".": "./src/sdk/mod.ts" } });

describe("checkDoors", () => {
  test("tells which names came and which went", async () => {
    await using root = await plantedTree({
      "package.json": manifest,
      "src/sdk/mod.ts":
        `export { a, type B } from "./a.ts";\nexport type { C } from "./c.ts";\nexport { d as e } from "./d.ts";`,
      "tests/vectors/exports.json": "{}",
    });
    await saveDoors(root.path);
    expect(JSON.parse(await readFile(root.in("tests/vectors/exports.json"), "utf8"))).toEqual({
      ".": ["a", "e", "type B", "type C"],
    });
    expect(await checkDoors(root.path)).toEqual([]);

    await writeFile(root.in("src/sdk/mod.ts"), `// export { gone }\nexport { a, B } from "./a.ts";`);
    expect((await checkDoors(root.path)).slice(0, -1)).toEqual([
      "exports .: no longer has e",
      "exports .: no longer has type B",
      "exports .: no longer has type C",
      "exports .: also has B",
    ]);
  });

  test("refuses a door that exports everything, or makes something itself", async () => {
    await using root = await plantedTree({
      "package.json": manifest,
      "src/sdk/mod.ts": `export * from "./a.ts";\nexport const b = 1;`,
    });
    expect((await checkDoors(root.path)).slice(0, 2)).toEqual([
      `src/sdk/mod.ts: only re-exports by name, not "export * from"`,
      `src/sdk/mod.ts: only re-exports by name, not "export const b = 1"`,
    ]);
  });

  test("refuses a door without a module behind it", async () => {
    await using root = await plantedTree({ "package.json": manifest });
    expect((await checkDoors(root.path))[0]).toBe("package.json exports .: there is no ./src/sdk/mod.ts");
  });
});
