import { expect, test } from "bun:test";
import { systemClock } from "../../base/clock.ts";
import { FakeClock } from "../../base/fake_clock.ts";
import { silent } from "../../base/logger.ts";
import { freePort } from "../../../tests/support/free_port.ts";
import { Database } from "./database.ts";

test("a transaction that would be tried again after the end is rejected", async () => {
  const clock = new FakeClock();
  const waits = Promise.withResolvers<void>();
  const db = new Database({
    url: `postgres://127.0.0.1:${await freePort()}/nobody`,
    schema: "petrel",
    connections: 1,
    clock: {
      now: () => clock.now(),
      mono: () => clock.mono(),
      every: (ms, run) => clock.every(ms, run),
      endOfTick: (run) => clock.endOfTick(run),
      after: (ms, run) => {
        if (ms < 1_000) waits.resolve(); // until the next attempt
        return clock.after(ms, run);
      },
    },
    log: silent,
    newId: () => 1n,
    fault: () => {},
  });
  const asked = db.transact((tx) => tx`SELECT 1`).then(() => "done", (thrown) => thrown.code);
  await waits.promise;
  await db[Symbol.asyncDispose]();
  clock.advance(10_000);
  const late = new Promise((resolve) => systemClock.after(5_000, () => resolve("waits for ever")));
  expect(await Promise.race([asked, late])).toBe("CLOSED");
  await expect(db.read((sql) => sql`SELECT 1`)).rejects.toMatchObject({ code: "CLOSED" });
}, 15_000);
