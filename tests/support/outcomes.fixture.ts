/** Run by test_shim.test.ts, in a process of its own: one test for each way a test can end. */
import { beforeEach, describe, expect, test } from "bun:test";

test("passes", () => {});
test("fails", () => {
  expect(1).toBe(2);
});
test("fails later", async () => {
  await Promise.resolve();
  throw new Error("later");
});
test("takes too long", () => new Promise<void>(() => {}), 50);
describe("a broken hook", () => {
  beforeEach(() => {
    throw new Error("hook");
  });
  test("fails its test", () => console.log("RAN broken"));
});
test.skip("skip", () => console.log("RAN skip"));
test.skipIf(true)("skipIf", () => console.log("RAN skipIf"));
test.skipIf(true).each([1])("skipped row %d", () => console.log("RAN row"));
test.if(false)("if", () => console.log("RAN if"));
test.todo("todo", () => console.log("RAN todo"));
