import { readFileSync } from "node:fs";
import process from "node:process";
import { expect, test } from "bun:test";
import * as runtime from "#runtime";
import { freePort } from "../../../tests/support/free_port.ts";
import { tempDir } from "../../../tests/support/temp.ts";
import { httpReady } from "../../load/faults/role_process.ts";
import { until } from "../../../tests/support/until.ts";
import { ClusterLines } from "./lines.ts";
import type { Place, Run } from "./plan.ts";
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

test("gateways are replaced together: no client lands on one that is next", async () => {
  await using folder = await tempDir();
  const said: string[] = [];
  const lines = new ClusterLines(["ws1", "ws2"], false, (text) => void said.push(text));
  const places: Place[] = [];
  for (const name of ["ws1", "ws2"]) {
    const ports = [await freePort(), await freePort()];
    places.push({
      ...{ role: "gateway", name, stage: 0, sideBySide: true, rolls: true },
      // Any process will do that is ready by itself.
      run: (turn) => routerAt(ports[turn]!),
    });
  }
  const { randomBytes } = runtime;
  const supervisor = new Supervisor({ data: folder.path, places, lines, silenceMs: 0, randomBytes });
  await supervisor.start();
  const before = said.length;
  await supervisor.roll();
  const what = said.slice(before).join("").matchAll(/^(ws\d) +\| .*?(started|asked to stop|stopped)/gm);
  const order = [...what].map(([, name, word]) => `${name} ${word}`);
  expect(order.slice(0, 2)).toEqual(["ws1 started", "ws2 started"]);
  expect(order.slice(2).sort()).toEqual(["ws1 asked to stop", "ws1 stopped", "ws2 asked to stop", "ws2 stopped"]);
  expect(said.at(-1)).toContain("every process was restarted");
  await supervisor.stop();
}, 120_000);

test("a process that stands still is killed, and another one started", async () => {
  await using folder = await tempDir();
  const said: string[] = [];
  const lines = new ClusterLines(["router"], false, (text) => void said.push(text));
  const ports = [await freePort(), await freePort()];
  const place: Place = {
    ...{ role: "router", name: "router", stage: 0, sideBySide: true, rolls: true },
    run: (turn) => routerAt(ports[turn]!),
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

function routerAt(port: number): Run {
  return {
    args: ["router", "--http", "127.0.0.1:0", "--monitor", `127.0.0.1:${port}`],
    env: { PETREL_NAMING: "static:wgateway=one@127.0.0.1:1" },
    readyUrl: `http://127.0.0.1:${port}/ready`,
    urls: {},
  };
}
