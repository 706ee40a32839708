import process from "node:process";
import { expect, test } from "bun:test";
import { hasEnded, isRunning, startScript } from "../../tests/support/processes.ts";
import type { GuardOptions } from "./process_guard.ts";

/** Starts a process that guards another one, which has one of its own, and kills the first. */
async function orphaned(options: GuardOptions) {
  const guarding = await startScript("src/load/guarded.fixture.ts", [JSON.stringify(options)]);
  const [, pid, inner] = (await guarding.find(/(\d+) (\d+)/)).map(Number);
  await guarding.find(/guarded/);
  process.kill(guarding.pid, "SIGKILL");
  expect(await hasEnded(pid!)).toBe(true);
  await guarding.exited;
  return { inner: inner!, said: guarding.stdout };
}

test("a guarded process is killed when its parent was", async () => {
  const { inner, said } = await orphaned({});
  expect(said).not.toContain("asked");
  expect(isRunning(inner)).toBe(true); // it alone
  process.kill(inner, "SIGKILL");
});

test("a guarded process is asked to end, where that is wanted", async () => {
  const { inner, said } = await orphaned({ signal: "SIGTERM" });
  expect(said).toContain("asked");
  process.kill(inner, "SIGKILL");
});

test("a guarded group ends as a whole", async () => {
  const { inner } = await orphaned({ isGroup: true });
  expect(await hasEnded(inner)).toBe(true);
});
