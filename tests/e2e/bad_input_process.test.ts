import process from "node:process";
import { expect, test } from "bun:test";
import { type ServerProcess, startServer } from "../../src/load/server_process.ts";
import { dayToken } from "../../src/load/token.ts";
import { ROOT, RUNTIME, startScript } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { Bystanders, type Place } from "./bad_input_bystanders.ts";
import { SECRET } from "../integration/system_local.ts";

import { tempDir } from "../support/temp.ts";

const MAIN = "src/cli/main.ts";

/** `petrel dev` of this project, on the runtime of these tests. */
function devCommand(): string {
  const run = RUNTIME === "deno" ? ["run", "-A", "--no-check", "--config", `${ROOT}deno.json`] : ["run"];
  return [process.execPath, ...run, `${ROOT}${MAIN}`, "dev"].map((word) => `'${word}'`).join(" ");
}

function placeOf(server: ServerProcess): Place {
  return { ws: server.wsUrl, tcp: server.tcpUrl, token: (account) => dayToken(SECRET, "kim", account) };
}

test(
  "a second process on the same folder or port says what to do and ends with 1; SIGTERM ends the first well",
  async () => {
    await using dir = await tempDir();
    const start = { command: devCommand(), secret: SECRET, dataDir: dir.in("data") };
    await using server = await startServer(start);
    await using bystanders = await Bystanders.start(placeOf(server));
    const end = bystanders.stretch("more processes");
    const dev = (...args: string[]) => startScript(MAIN, ["dev", "--log", "warn", ...args]);

    const free = ["--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0"];
    await using second = await dev(...free, "--data", dir.in("data"));
    expect(await second.exited).toEqual({ code: 1, signal: null });
    expect(second.stdout + second.stderr).toBe(
      `Cannot use data folder ${dir.in("data")}: it is in use by another process (pid ${server.pid})\n`,
    );
    for (const [flag, port] of [["--http", server.ports.http], ["--tcp", server.ports.tcp]] as const) {
      await using third = await dev(...free, "--data", dir.in("other"), flag, `127.0.0.1:${port}`);
      expect(await third.exited).toEqual({ code: 1, signal: null });
      expect(third.stdout + third.stderr).toBe(
        `Cannot listen on 127.0.0.1 port ${port}: the port is taken. Stop what listens there, or choose another port\n`,
      );
    }
    expect((await fetch(`http://127.0.0.1:${server.ports.http}/ready`)).status).toBe(200);
    expect((await end()).refused).toBe(0);

    process.kill(server.pid, "SIGTERM");
    expect(await server.ended).toEqual({ code: 0, signal: null });
    bystanders.stop();
    const told = new Set(await bystanders.ends());
    expect([...told].sort()).toEqual(["server said: 4001 shutdown", "server said: shutdown"]);

    await using again = await startServer({ ...start, ports: server.ports });
    const verdict = await bystanders.verdict(placeOf(again));
    expect({ clean: verdict.clean, faults: verdict.faults }).toMatchObject({ clean: true });
    expect(verdict.acked).toBeGreaterThan(10);
  },
  60_000,
);

test("what a failed sync refused is not there after kill -9 either, and what was answered before is", async () => {
  await using dir = await tempDir();
  const start = { command: devCommand(), secret: SECRET, dataDir: dir.in("data") };
  await using server = await startServer({ ...start, env: { PETREL_FAULT: "sync=io@40" } });
  await using bystanders = await Bystanders.start(placeOf(server));
  await until(() => bystanders.refused >= 20, "talks were refused", 15_000);
  expect((await fetch(`http://127.0.0.1:${server.ports.http}/ready`)).status).toBe(503);
  await server.kill();
  bystanders.stop();

  await using again = await startServer({ ...start, ports: server.ports });
  const verdict = await bystanders.verdict(placeOf(again));
  expect({ clean: verdict.clean, faults: verdict.faults }).toMatchObject({ clean: true });
  expect(verdict.acked).toBeGreaterThan(10);
  expect(verdict.refused).toBeGreaterThanOrEqual(20);
}, 60_000);
