import { expect, test } from "bun:test";
import { findFailures } from "../../scripts/second_run.ts";

const BUN = `
src/a.test.ts:
error: expect(received).toBe(expected)
(fail) outer > fails [0.24ms]
(pass) outer > passes [0.01ms]

src/c.test.ts:

# Unhandled error between tests
-------------------------------

src/d.test.ts:
⊗ src/d.test.ts (worker crashed: SIGKILL)

src/a.test.ts:
(fail) late [300.42ms]
  ^ this test timed out after 300ms.
`;
const DENO = `
./src/a.test.ts => outer ... fails ... FAILED (5ms)
./src/a.test.ts => outer ... passes ... ok (0ms)
./src/a.test.ts => outer ... FAILED (due to 1 failed step) (17ms)
./src/b.test.ts (uncaught error)
./src/e.test.ts => never ... ignored (0ms)
`;

test("what failed on Bun", () => {
  const { files, whole } = findFailures("bun", `${BUN}\nRan 7 tests across 5 files. [332.00ms]`);
  expect([...files]).toEqual([
    ["src/a.test.ts", ["outer > fails", "late"]],
    ["src/c.test.ts", []],
    ["src/d.test.ts", []],
  ]);
  expect(whole).toBe(true);
});

test("what failed on Deno", () => {
  const { files, whole } = findFailures("deno", `${DENO}\nFAILED | 2 passed (1 step) | 1 failed (578ms)\n`);
  expect([...files]).toEqual([["src/a.test.ts", ["outer ... fails"]], ["src/b.test.ts", []]]);
  expect(whole).toBe(true);
});

test("a run that did not come to its end is not whole", () => {
  expect(findFailures("bun", BUN).whole).toBe(false);
  expect(findFailures("deno", DENO).whole).toBe(false);
});
