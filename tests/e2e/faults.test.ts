import { describe, expect, test } from "bun:test";
import { readFile, writeFile } from "node:fs/promises";
import { loadMain } from "../../src/load/main.ts";
import { startScript } from "../support/processes.ts";
import { tempDir } from "../support/temp.ts";
import { whyNoRedis } from "../support/redis_server.ts";

const SECOND = 1000;
const ZERO = [["lost", 0], ["twice", 0], ["out of order", 0], ["holes", 0], ["phantom", 0]];

/** Runs `petrel load faults`; gives the exit code and the figures. */
async function faults(...args: string[]) {
  await using directory = await tempDir();
  const file = directory.in("result.json");
  const code = await loadMain(["faults", "--clients", "24", "--rate", "150", "--quiet", "--json", file, ...args]);
  return { code, result: JSON.parse(await readFile(file, "utf8")) };
}

const why = whyNoRedis();

describe("a cluster of processes", () => {
  test.skipIf(why !== undefined)("loses nothing when it is killed, flushed and cut", async () => {
    const some = ["gateway", "logic", "royal", "redis", "client-gateway", "gateway-logic", "logic-royal"];
    const once = ["--kills", "1", "--pauses", "0", "--cuts", "1", "--flushes", "1", "--clocks", "0", "--every", "0.5"];
    const { code, result } = await faults("--seed", "3", "--acked", "2000", "--roles", some.join(","), ...once);
    expect(result.faults).toEqual([]);
    expect(result.tiles).toEqual(ZERO);
    expect(code).toBe(0);
    const { done, verdict } = result.figures;
    for (const name of [...some.slice(0, 4).map((one) => `kill ${one}`), "flush", "cut gateway-logic"]) {
      expect([name, done[name] >= 1]).toEqual([name, true]);
    }
    expect(verdict.acked).toBeGreaterThanOrEqual(2000);
  }, 300 * SECOND);
});

describe("a system that somebody else runs", () => {
  test("is faulted by the commands of a file, and its clients' links by proxies", async () => {
    await using folder = await tempDir();
    const secret = "a-secret-for-this-test-0123456789";
    const args = ["dev", "--http", "localhost:0", "--tcp", "localhost:0", "--data", folder.in("data")];
    await using child = await startScript("src/cli/main.ts", [...args, "--token-secret", secret]);
    const [, http] = await child.find(/"http":"http:\/\/([^"]+)"/);
    const [, tcp] = await child.find(/"tcp":"(tcp:[^"]+)"/);
    const server = { name: "dev", role: "server", pause: `kill -STOP ${child.pid}`, resume: `kill -CONT ${child.pid}` };
    await writeFile(folder.in("targets.json"), JSON.stringify({ targets: [server] }));
    const { code, result } = await faults(
      ...["--url", `ws://${http}/`, "--url", tcp!, "--secret", secret, "--targets", folder.in("targets.json")],
      ...["--seed", "4", "--acked", "1000", "--pause", "1", "--pauses", "2", "--cuts", "3", "--every", "0.5"],
    );
    expect(result.faults).toEqual([]);
    expect(result.tiles).toEqual(ZERO);
    const { done } = result.figures;
    expect(done["pause server"]).toBeGreaterThanOrEqual(2);
    expect(done["cut client-gateway"]).toBeGreaterThanOrEqual(3);
    expect(code).toBe(0);
  }, 180 * SECOND);
});
