import { describe, expect, test } from "bun:test";
import { checkFiles } from "../../scripts/check_files.ts";
import { plantedTree } from "./planted_tree.ts";

const line = "export {};\n";

describe("checkFiles", () => {
  // Put together here, so that this file passes the check itself.
  const leftovers = [
    { name: "a mark for later", text: `${line}// ${"TO"}DO: more`, problem: "src/a.ts:2: TODO: do it" },
    { name: "an any", text: `const a = b as ${"any"};`, problem: "src/a.ts:1: as any: make the types right" },
    { name: "a silenced checker", text: `// @ts-${"ignore"}\na;`, problem: "src/a.ts:1: @ts-ignore: make the types" },
    { name: "a test alone", text: `test.${"only"}("a", f);`, problem: "src/a.ts:1: test.only: it shuts out" },
    { name: "a skipped describe", text: `describe.${"skip"}("a", f);`, problem: "src/a.ts:1: describe.skip: skip the" },
    { name: "a long file", text: line.repeat(301), problem: "src/a.ts:1: 301 lines, limit is 300" },
  ];
  test.each(leftovers)("refuses $name", async ({ text, problem }) => {
    await using root = await plantedTree({ "src/a.ts": text });
    const { problems } = await checkFiles(root.path);
    expect(problems.length).toBe(1);
    expect(problems[0]).toContain(problem);
  });

  test("refuses a lock file that names a host", async () => {
    await using root = await plantedTree({ "bun.lock": `{\n"a": "https://mirror.example/a.tgz"}` });
    expect((await checkFiles(root.path)).problems[0]).toContain("bun.lock:2: https://mirror.example");
  });

  test("takes a long file that says why, generated files, and words inside strings", async () => {
    await using root = await plantedTree({
      "src/long.ts": `import "./a.ts";\n\n/** The state machine, long because its states share a table. */\n${
        line.repeat(400)
      }`,
      "src/gen/a.ts": line.repeat(1000),
      "src/b.ts": `f("// ${"TO"}DO as ${"any"}");`,
    });
    expect((await checkFiles(root.path)).problems).toEqual([]);
  });

  test("lists the ten longest, longest first", async () => {
    const files = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`src/f${n}.ts`, line.repeat(n + 1)]));
    await using root = await plantedTree(files);
    const { longest } = await checkFiles(root.path);
    expect(longest.map((file) => file.lines)).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    expect(longest[0]!.path).toBe("src/f11.ts");
  });
});
