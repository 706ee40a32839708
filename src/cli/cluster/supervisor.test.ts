import { readFileSync } from "node:fs";
import process from "node:process";
import { expect, test } from "bun:test";
import * as runtime from "#runtime";
import { freePort } from "../../../tests/support/free_port.ts";
import { tempDir } from "../../../tests/support/temp.ts";
import { httpReady } from "../../load/faults/role_process.ts";
import { until } from "../../../tests/support/until.ts";
import { ClusterLines } from "./lines.ts";
import type { Place } from "./plan.ts";
import { stateFile } from "./state_file.ts";
import { Supervisor } from "./supervisor.ts";

test("a data folder that cannot be written to ends no process: it is said once", async () => {
  await using folder = await tempDir();
  const said: string[] = [];
  const lines = new ClusterLines(["one"], false, (text) => void said.push(text));
  const place: Place = {
    ...{ role: "router", name: "one", stage: 0, sideBySide: true, rolls: true },
    run: () => ({ args: ["no-such-command"], env: {}, readyUrl: "http://127.0.0.1:9/ready", urls: {} }),
  };
  const { randomBytes } = runtime;
  const supervisor = new Supervisor({ data: folder.in("gone"), places: [place], lines, silenceMs: 0, randomBytes });
  await expect(supervisor.start()).rejects.toThrow("Cannot start one: it ended with code");
  expect(said.filter((text) => text.includes("cannot be written down")).length).toBe(1);
  await supervisor.stop();
});

test("a process that stands still is killed, and another one started", async () => {
  await using folder = await tempDir();
  const said: string[] = [];
  const lines = new ClusterLines(["router"], false, (text) => void said.push(text));
  const ports = [await freePort(), await freePort()];
  const place: Place = {
    ...{ role: "router", name: "router", stage: 0, sideBySide: true, rolls: true },
    run: (turn) => ({
      args: ["router", "--http", "127.0.0.1:0", "--monitor", `127.0.0.1:${ports[turn]}`],
      env: { PETREL_NAMING: "static:wgateway=one@127.0.0.1:1" },
      readyUrl: `http://127.0.0.1:${ports[turn]}/ready`,
      urls: {},
    }),
  };
  const { randomBytes } = runtime;
  const supervisor = new Supervisor({ data: folder.path, places: [place], lines, silenceMs: 4_000, randomBytes });
  await supervisor.start();
  const pids = (): number[] =>
    JSON.parse(readFileSync(stateFile(folder.path), "utf8")).processes.map(({ pid }: { pid: number }) => pid);
  const [first] = pids();
  process.kill(first!, "SIGSTOP");
  await until(() => Promise.resolve(pids().some((pid) => pid !== first)));
  expect(said.join("")).toMatch(/router \| no answer from \S+\/ready for 4 s: ending it\nrouter \| ended with SIGKILL/);
  const ready = ports.map((port) => httpReady(`http://127.0.0.1:${port}/ready`));
  await until(async () => (await Promise.all(ready.map((ask) => ask()))).includes(true));
  expect(pids()).not.toContain(first);
  await supervisor.stop();
}, 120_000);
