import { expect, test } from "bun:test";
import { until } from "./until.ts";

test("until asks again, also when asking failed", async () => {
  const answers = [() => false, () => Promise.reject(new Error("not there")), () => true];
  await until(() => answers.shift()!());
  expect(answers).toEqual([]);
});

test("until gives up, with what was asked and how asking failed", async () => {
  const answers: boolean[] = [];
  await expect(until(() => answers.length > 0, undefined, 1)).rejects.toThrow("answers.length");
  const cause = new Error("not there");
  await expect(until(() => Promise.reject(cause), "it is there", 1)).rejects.toMatchObject({ cause });
});
