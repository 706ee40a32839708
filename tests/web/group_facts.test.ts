import { expect, test } from "bun:test";
import { namesIn } from "../../src/web/group_facts.ts";

test.each([
  ["", [], []],
  ["bob", ["bob"], []],
  [" bob, eve;bob\n王小明、max ", ["bob", "eve", "王小明", "max"], []],
  ["bob a|b " + "x".repeat(61), ["bob"], ["a|b", "x".repeat(61)]],
])("the names in %j", (text, good, bad) => {
  expect(namesIn(text)).toEqual({ good, bad });
});
