import { expect, test } from "bun:test";
import { namingContract, testInstance } from "../../tests/contract/naming.ts";
import { MemoryNaming } from "./memory.ts";
import type { Instance } from "./naming.ts";

namingContract("memory", () => {
  const naming = new MemoryNaming();
  return Promise.resolve({
    one: naming,
    other: naming,
    instance: testInstance,
    [Symbol.asyncDispose]: () => naming[Symbol.asyncDispose](),
  });
});

test("MemoryNaming tells nobody within its call of subscribe or register", async () => {
  await using naming = new MemoryNaming();
  const told: string[][] = [];
  naming.subscribe("chat", (list) => told.push(list.map(({ id }) => id)));
  naming.register(testInstance({ id: "chat01" }));
  naming.register(testInstance({ id: "chat02" }));
  expect(told).toEqual([]);
  await Promise.resolve();
  expect(told).toEqual([["chat01", "chat02"]]);
});

test("MemoryNaming tells a list that became as it was only once", async () => {
  await using naming = new MemoryNaming();
  const told: (readonly Instance[])[] = [];
  naming.subscribe("chat", (list) => told.push(list));
  await Promise.resolve();
  await naming.register(testInstance({ id: "chat01", incarnation: "a" }))[Symbol.asyncDispose]();
  await Promise.resolve();
  expect(told.map((list) => list.length).filter((count) => count > 0)).toEqual([]);
});
