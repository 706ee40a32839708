import { expect, test } from "bun:test";
import { startScript } from "../support/processes.ts";
import { tempDir } from "../support/temp.ts";

const EXIT_MS = 5_000;

test("the whole system starts and stops twice in one process, which then ends by itself", async () => {
  await using dir = await tempDir();
  await using child = await startScript("tests/integration/system_lifecycle.fixture.ts", [dir.in("data")]);
  const [, json] = await child.find(/result (.*)/, 20_000);
  const { uses, refused, leaked } = JSON.parse(json!);
  const ends = ["server said: 4001 shutdown", "server said: shutdown"];
  expect(uses).toEqual([{ stored: 0, ends }, { stored: 1, ends }]);
  expect(refused).toMatch(/^Cannot listen on .* port \d+: the port is taken/);
  expect(leaked).toBeLessThanOrEqual(0);
  const timer = setTimeout(() => void child.kill(), EXIT_MS); // something keeps it alive
  expect(await child.exited).toEqual({ code: 0, signal: null });
  clearTimeout(timer);
  expect(child.stderr).toBe("");
}, 30_000);
