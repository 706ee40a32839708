import { expect, test } from "bun:test";
import fc from "fast-check";
import { idMaker } from "./random.ts";
import { SentIds } from "./sent_ids.ts";

const id = (run: string, number: number) => `${run}-${number.toString(36)}`;

test("ids are known once they were added, in whatever order, and in the next run", () => {
  const ids = fc.array(fc.tuple(fc.constantFrom("one", "a-b"), fc.nat(60)), { maxLength: 80 });
  fc.assert(fc.property(ids, fc.nat(80), (added, restartAt) => {
    let sent = new SentIds();
    const known = new Set<string>();
    added.forEach(([run, number], at) => {
      sent.add(id(run, number));
      known.add(id(run, number));
      if (at !== restartAt) return;
      const { saved } = sent;
      sent = new SentIds();
      sent.restore(saved!);
    });
    for (const run of ["one", "a-b", "b"]) {
      for (let number = 0; number <= 61; number++) expect(sent.has(id(run, number))).toBe(known.has(id(run, number)));
    }
  }));
});

test("a run that has an answer to everything is two numbers, however much it said", () => {
  const sent = new SentIds();
  const next = idMaker(() => 0.5);
  const ids = Array.from({ length: 1_000 }, () => next());
  for (const one of [...ids.slice(500), ...ids.slice(0, 500)]) sent.add(one);
  expect(Object.values(sent.saved!)).toEqual([[1, 1_000]]);
});

test("what is saved does not change with what is added later", () => {
  const sent = new SentIds();
  expect(sent.saved).toBeUndefined();
  sent.add("one-1");
  const { saved } = sent;
  sent.add("one-2");
  expect(saved).toEqual({ one: [1, 1] });
});

test("of many gaps the first are closed, of many runs the last are kept", () => {
  const sent = new SentIds();
  for (let number = 1; number < 1_000; number += 2) sent.add(id("one", number));
  expect(sent.saved!["one"]).toHaveLength(128);
  expect([1, 2, 3, 998, 999].map((number) => sent.has(id("one", number)))).toEqual([true, true, true, false, true]);
  for (let run = 1; run <= 15; run++) sent.add(`r${run}-1`);
  sent.add("one-1");
  sent.add("r16-1");
  expect(["one-1", "r1-1", "r2-1", "r16-1"].map((one) => sent.has(one))).toEqual([true, false, true, true]);
});

test("ids that were not made here are themselves only", () => {
  const sent = new SentIds();
  for (const one of ["a", "b-", "c-D", "d-00000000001"]) sent.add(one);
  expect(["a", "b-", "c-D", "d-00000000001"].map((one) => sent.has(one))).toEqual([true, true, true, true]);
  expect(["b", "c-1", "c", "d-1", "", "a-1"].map((one) => sent.has(one))).toEqual(Array(6).fill(false));
});
