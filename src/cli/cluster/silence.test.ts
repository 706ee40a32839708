import { expect, test } from "bun:test";
import { FakeClock } from "../../base/fake_clock.ts";
import { sleep, systemClock } from "../../base/clock.ts";
import { fellSilent } from "./silence.ts";

/** What becomes of a process that answers these questions ("1") and not those ("0"), then ends; and how many it was asked. */
async function asked(answers: string, { mostMs = 4_000, startMs = 0 } = {}) {
  const clock = new FakeClock();
  let count = 0;
  const child = {
    get isOver() {
      return count === answers.length;
    },
    answers: (ms: number) => Promise.resolve(ms === mostMs / 4 && answers[count++] === "1"),
  };
  const silent = fellSilent(child, { clock, mostMs, startMs });
  for (let over = false; !over; clock.advance(1_000)) {
    await sleep(systemClock, 0);
    over = await Promise.race([silent.then(() => true), sleep(systemClock, 0).then(() => false)]);
  }
  return { silent: await silent, count };
}

test("a process is silent after four questions in a row without an answer", async () => {
  expect(await asked("10000111")).toEqual({ silent: true, count: 5 });
  expect(await asked("1000100010001")).toEqual({ silent: false, count: 13 });
});

test("it may be silent for longer until its first answer", async () => {
  expect(await asked("00000001000011", { startMs: 8_000 })).toEqual({ silent: true, count: 12 });
  expect(await asked("000000000011", { startMs: 8_000 })).toEqual({ silent: true, count: 8 });
});

test("one that ended is not silent", async () => {
  expect(await asked("1")).toEqual({ silent: false, count: 1 });
  expect(await asked("000")).toEqual({ silent: false, count: 3 });
});
