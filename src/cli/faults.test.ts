import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { systemClock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import { FakeClock } from "../base/fake_clock.ts";
import { openSqliteStore } from "../message/sqlite.ts";
import { snowflakeMs } from "../id/snowflake.ts";
import { tempDir } from "../../tests/support/temp.ts";
import { readFaults } from "./faults.ts";

const HOUR_MS = 3_600_000;

describe("clock=FILE", () => {
  test("shifts the wall clock by what the file says now; durations stay", async () => {
    await using directory = await tempDir();
    const file = directory.in("shift");
    const real = new FakeClock();
    const { clock, store } = readFaults(`clock=${file},sync=delay:1`, real);
    expect(store).toContain("sync=delay:1");
    expect(clock.now()).toBe(real.now());
    const shifts: (readonly [string, number])[] = [["5000", 5_000], ["-90000\n", -90_000], ["", -90_000], ["0", 0]];
    for (const [text, shiftMs] of shifts) {
      writeFileSync(file, text);
      real.advance(100);
      expect(clock.now() - real.now()).toBe(shiftMs);
      expect(clock.mono()).toBe(real.mono());
    }
  });

  test("without it the clock is the one that was given", () => {
    expect(readFaults("after-reply=kill", systemClock).clock).toBe(systemClock);
    expect(readFaults(undefined, systemClock).clock).toBe(systemClock);
  });

  test.each([true, false])("a store's ids follow it, and still only grow (threads: %p)", async (threads) => {
    await using directory = await tempDir();
    const file = directory.in("shift");
    writeFileSync(file, `${HOUR_MS}`);
    const { clock, store: faults } = readFaults(`clock=${file}`, systemClock);
    await using store = await openSqliteStore({ directory: directory.in("data"), threads, clock, faults });
    const append = async (body: string) => {
      const talk = { app: "kim", sender: "ann", dest: "bob", type: 1, body, extra: "", startBy: clock.mono() + 4_000 };
      const [stored] = await store.append([talk]);
      if (stored === undefined || stored instanceof ImError) throw new Error(`Cannot store: ${stored?.message}`);
      return stored.messageId;
    };
    const ahead = await append("1");
    expect(snowflakeMs(ahead) - Date.now()).toBeGreaterThan(HOUR_MS / 2);
    writeFileSync(file, `${-HOUR_MS}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await append("2")).toBeGreaterThan(ahead);
  });
});
