import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { revocationFile } from "../../src/cli/revocation_file.ts";
import { startServer } from "../../src/load/server_process.ts";
import { signToken } from "../../src/load/token.ts";
import { WireClient } from "../../src/load/wire_client.ts";
import { SECRET } from "../integration/system_local.ts";
import { ROOT, RUNTIME, startScript } from "../support/processes.ts";
import { tempDir } from "../support/temp.ts";

const MAIN = "src/cli/main.ts";
const run = RUNTIME === "deno" ? ["run", "-A", "--no-check", "--config", `${ROOT}deno.json`] : ["run"];
const DEV = [process.execPath, ...run, `${ROOT}${MAIN}`, "dev"].map((word) => `'${word}'`).join(" ");

test(
  "a running server puts out what `petrel revoke` names, lets it in again when told, and bears a broken file",
  async () => {
    await using dir = await tempDir();
    const data = dir.in("data");
    await using server = await startServer({ command: DEV, secret: SECRET, dataDir: data });
    const token = (acc: string, more = 0) =>
      signToken(SECRET, { acc, app: "kim", exp: Date.now() / 1000 + 3600 + more });
    const device = (name: string) => ({ meta: new Map([["im.device", name]]) });
    const revoke = async (...args: string[]) => {
      await using child = await startScript(MAIN, ["revoke", ...args, "--data", data]);
      expect([(await child.exited).code, child.stderr]).toEqual([0, ""]);
      return child.stdout;
    };
    const until = async (done: () => Promise<boolean> | boolean) => {
      for (const end = performance.now() + 10_000; !await done();) {
        if (performance.now() > end) throw new Error(`waited 10 s in vain\n${server.output()}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };
    const status = async (text: string) => {
      await using client = await WireClient.open(server.tcpUrl);
      return (await client.login(text, device("probe"))).status;
    };

    const [lost, kept] = [token("ann"), token("ann", 60)];
    await using thief = await WireClient.login(server.wsUrl, lost, device("phone"));
    await using ann = await WireClient.login(server.tcpUrl, kept, device("desk"));
    await using bob = await WireClient.login(server.wsUrl, token("bob"));
    await revoke("--token", lost);
    expect(await thief.ended).toContain("revoked");
    expect([await status(lost), await status(kept)]).toEqual([105, 0]);

    await revoke("--account", "ann", "--for", "1h");
    expect(await ann.ended).toContain("revoked");
    expect(await status(kept)).toBe(105);
    expect(await revoke("--list")).toContain("account ann of app kim, until ");

    writeFileSync(revocationFile(data), "broken");
    await until(() => server.output().includes("revocations cannot be read"));
    expect(server.output()).not.toContain(lost);
    expect(await status(kept)).toBe(105);
    writeFileSync(revocationFile(data), '{"revoked":[]}');
    await until(async () => await status(kept) === 0);
    expect(await status(lost)).toBe(0);

    bob.ping();
    await bob.until(({ pongs }) => pongs === 1); // all the while
    const metrics = await (await fetch(`http://127.0.0.1:${server.ports.http}/metrics`)).text();
    expect(metrics).toMatch(/petrel_closes_total\{[^}]*reason="revoked"[^}]*\} 2/);
  },
  60_000,
);

test("a server does not start on a broken list: that would let in who was put out", async () => {
  await using dir = await tempDir();
  writeFileSync(revocationFile(dir.path), "{");
  const free = ["--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0", "--log", "warn"];
  await using child = await startScript(MAIN, ["dev", "--data", dir.path, ...free]);
  expect((await child.exited).code).toBe(1);
  expect(child.stderr).toContain(`Cannot read ${revocationFile(dir.path)}: not JSON`);
}, 30_000);
