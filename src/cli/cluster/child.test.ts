import { expect, test } from "bun:test";
import process from "node:process";
import { freePort } from "../../../tests/support/free_port.ts";
import { until } from "../../../tests/support/until.ts";
import { Child } from "./child.ts";

test.skipIf("Deno" in globalThis)("a process that cannot be started has ended, and says why", async () => {
  const { execPath } = process; // another one cannot be said on Deno
  process.execPath = "/no/such/runtime";
  try {
    const said: string[] = [];
    const run = { args: [], env: {}, readyUrl: "http://127.0.0.1:9/ready", urls: {} };
    const child = new Child(run, "one-1", (text) => void said.push(text));
    expect(await child.ended).toEqual({ code: 127, signal: null });
    expect(said.join()).toContain("ENOENT");
    expect(child.lastWords().join()).toContain("ENOENT");
  } finally {
    process.execPath = execPath;
  }
});

test("a process that is not ready says what it lacks", async () => {
  const [monitor, consul] = [await freePort(), await freePort()];
  const child = new Child(
    {
      args: ["router", "--http", "127.0.0.1:0", "--monitor", `127.0.0.1:${monitor}`],
      env: { PETREL_NAMING: `consul://127.0.0.1:${consul}` },
      readyUrl: `http://127.0.0.1:${monitor}/ready`,
      urls: {},
    },
    "router-1",
    () => {},
  );
  expect(await child.problem()).toContain("/ready does not answer");
  await until(() => child.answers(2_000));
  expect(await child.isReady()).toBe(false);
  expect(await child.problem()).toContain("naming has not told any gateways yet");
  await child.stop();
}, 60_000);
