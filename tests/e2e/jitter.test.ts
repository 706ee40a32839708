import { describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { CUTS } from "../../src/load/cut_conn.ts";
import { loadMain } from "../../src/load/main.ts";
import { shellCommand } from "../support/processes.ts";
import { tempDir } from "../support/temp.ts";

const SECOND = 1000;
const SHORT = ["--clients", "10", "--seconds", "8", "--rate", "60", "--cut-every", "1", "--seed", "3"];

/** Runs `petrel load jitter`; gives the exit code, the figures and the page. */
async function jitter(server: string, ...more: string[]) {
  await using directory = await tempDir();
  const files = ["--json", directory.in("result.json"), "--report", directory.in("report.html")];
  const code = await loadMain(["jitter", ...SHORT, "--server", server, "--quiet", ...files, ...more]);
  const result = JSON.parse(await readFile(directory.in("result.json"), "utf8"));
  return { code, result, page: await readFile(directory.in("report.html"), "utf8") };
}

describe("cutting SDK clients off all the time", () => {
  test("loses nothing, shows nothing twice, keeps the order", async () => {
    const { code, result, page } = await jitter(shellCommand("src/cli/main.ts", "dev"));
    expect(result.faults).toEqual([]);
    expect(code).toBe(0);
    const { figures } = result;
    expect(figures).toMatchObject({ sent: 480, durable: 480, handedOver: 480, failed: 0, unsettled: 0 });
    expect(figures.unansweredPerClient.length).toBe(10);
    expect(Math.min(...figures.unansweredPerClient)).toBeGreaterThan(0);
    expect(Object.keys(figures.cuts)).toEqual([...CUTS]);
    expect(figures.reconnects).toBeGreaterThan(10);
    expect(page).toContain('"title":"Send to ack"');
  }, 120 * SECOND);

  test("is not content when a client was never cut on an unanswered send", async () => {
    const calm = ["--clients", "2", "--seconds", "1", "--cut-every", "100"];
    const { code, result } = await jitter(shellCommand("src/cli/main.ts", "dev"), ...calm);
    expect(result.faults).toEqual(["2 clients were never cut on an unanswered send"]);
    expect(code).toBe(1);
  }, 60 * SECOND);

  test("finds what a stand-in does wrong that knows neither client ids nor positions", async () => {
    const { code, result } = await jitter(shellCommand("src/load/fake_server.ts"), "--wait", "3");
    expect(code).toBe(1);
    const { verdict, delivery } = result.figures;
    expect(verdict.faults.twice.count).toBeGreaterThan(0);
    expect(delivery.missing.count + delivery.extra.count).toBeGreaterThan(0);
  }, 120 * SECOND);
});
