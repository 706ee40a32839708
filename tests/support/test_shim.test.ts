import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test } from "bun:test";
import process from "node:process";
import { RUNTIME, start } from "./processes.ts";
import { rowName } from "./test_name.ts";

describe("hooks", () => {
  const seen: string[] = [];
  beforeAll(() => void seen.push("all"));
  beforeEach(async () => {
    await Promise.resolve();
    seen.push("each");
  });
  afterEach(() => void seen.push("after"));

  test("run before the first test", () => {
    expect(seen).toEqual(["all", "each"]);
  });

  describe("nested", () => {
    beforeEach(() => void seen.push("inner"));
    test("run from the outside in", () => {
      expect(seen).toEqual(["all", "each", "after", "each", "inner"]);
    });
  });

  afterAll(() => {
    if (seen.at(-1) !== "after") throw new Error(`afterEach did not run last: ${seen}`);
  });
});

describe("test", () => {
  let ran = 0;
  test.skipIf(false)("skipIf(false) runs its body", () => {
    ran++;
  });
  test.if(true)("if(true) runs its body", () => {
    ran++;
  });
  it("is also called it", () => {
    ran++;
  }, 1_000);
  test("takes its time limit as an option too", async () => {
    await Promise.resolve();
    ran++;
  }, { timeout: 1_000 });
  test("ran all of these", () => {
    expect(ran).toBe(4);
  });

  test("fails what fails and does not run what is skipped", async () => {
    const args = RUNTIME === "deno" ? ["test", "-A", "--no-check"] : ["test"];
    await using child = await start(process.execPath, [...args, "./tests/support/outcomes.fixture.ts"]);
    expect((await child.exited).code).toBe(1);
    const output = child.stdout + child.stderr;
    expect(output).not.toContain("RAN");
    const [passed, failed, skipped] = RUNTIME === "deno"
      ? [/\b1 passed/, /\b4 failed/, /\b5 ignored/]
      : [/\b1 pass\b/, /\b4 fail\b/, /\b4 skip\b/]; // Bun counts `todo` beside them
    expect(output).toMatch(passed);
    expect(output).toMatch(failed);
    expect(output).toMatch(skipped);
  }, 20_000);

  test.each([[1, "a"], [2, "b"]])("each spreads array rows: %d %s", (number, letter) => {
    expect([typeof number, typeof letter]).toEqual(["number", "string"]);
  });
  test.each([{ name: "one", bytes: new Uint8Array([1]) }])("each hands over other rows whole: $name", (row) => {
    expect(row.bytes.length).toBe(1);
  });
  test.each([["a", 1], ["b", 2]] as const)("each takes constant rows: %s %d", (letter, number) => {
    const typed: "a" | "b" = letter;
    expect([typed.length, typeof number]).toEqual([1, "number"]);
  });
  const rows: number[][] = [[1], [1, 2]];
  test.each(rows)("each takes rows of any length: %#", (...row) => {
    expect(row.length).toBeGreaterThan(0);
  });
});

describe("expect", () => {
  class Refused extends Error {}

  test("knows what our tests lean on", async () => {
    await expect(Promise.reject(new Refused("no"))).rejects.toThrow(Refused);
    await expect(Promise.resolve(1n)).resolves.toBe(1n);
    expect(() => {
      throw new Refused("no");
    }).toThrow("no");
    expect(new Uint8Array([1, 2])).toEqual(new Uint8Array([1, 2]));
    expect(new Uint8Array([1, 2])).not.toEqual(new Uint8Array([1, 3]));
    expect(new Map([["a", 1n]])).toEqual(new Map([["a", 1n]]));
    expect({ a: 1, b: { c: "x" } }).toMatchObject({ b: { c: expect.any(String) } });
    expect([1, 2]).toContain(2);
    expect("abc").toMatch(/b/);
  });
});

describe("rowName", () => {
  test.each([
    { pattern: "%s and %d", row: ["a", 2n], name: "a and 2" },
    { pattern: "%i of %f", row: [1.9, 1.5], name: "1 of 1.5" },
    { pattern: "row %# of %j", row: [{ a: 1n }], name: 'row 3 of {"a":"1n"}' },
    { pattern: "100%% of %s", row: [undefined], name: "100% of undefined" },
    { pattern: "%s %s", row: ["only one"], name: "only one %s" },
    { pattern: "$name at $deep.x, $missing", row: [{ name: "n", deep: { x: null } }], name: "n at null, $missing" },
    { pattern: "$name", row: [{ name: "%s" }], name: "%s" },
  ])("$pattern", ({ pattern, row, name }) => {
    expect(rowName(pattern, row, 3)).toBe(name);
  });
});
