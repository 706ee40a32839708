import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { startScript } from "../support/processes.ts";
import { tempDir } from "../support/temp.ts";

const SECRET = "a secret of the tests, thirty-two bytes";

describe("petrel royal and petrel group", () => {
  test("start, fill a group from a file, show it, and stop at a signal with code 0", async () => {
    await using folder = await tempDir();
    const env = { PETREL_CLUSTER_SECRET: SECRET, PETREL_DATA: folder.in("data"), PETREL_ROYAL: "127.0.0.1:0" };
    await using royal = await startScript("src/cli/main.ts", ["royal"], { env });
    const [, url = ""] = await royal.find(/Store\s+(http:\S+)/);
    expect(royal.stdout).toContain("signed requests");
    for (const path of ["health", "ready", "metrics"]) expect((await fetch(`${url}/${path}`)).status).toBe(200);
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('petrel_royal_seconds_count{path="/im/append"} 0');
    expect((await fetch(`${url}/im/heads`, { method: "POST" })).status).toBe(401);

    const group = async (...args: string[]) => {
      const told = { PETREL_ROYAL_URL: url, PETREL_CLUSTER_SECRET: SECRET };
      await using run = await startScript("src/cli/main.ts", ["group", ...args], { env: told });
      const { code } = await run.exited;
      return { code, stdout: run.stdout.trim(), stderr: run.stderr };
    };
    const names = Array.from({ length: 2_500 }, (_, i) => `user-${i}`);
    writeFileSync(folder.in("names"), names.join("\n") + "\n\n");
    const made = await group("create", "--owner=boss", "--name=everyone", `--file=${folder.in("names")}`);
    expect(made).toMatchObject({ code: 0, stderr: expect.stringContaining("2500 of 2500 accounts, 2500 added") });
    const again = await group("add", "--group", made.stdout, "--file", folder.in("names"), "--skip=1000");
    expect(again.stderr).toContain("2500 of 2500 accounts, 0 added");
    expect(JSON.parse((await group("show", "--group", made.stdout)).stdout)).toMatchObject({
      name: "everyone",
      owner: "boss",
      memberCount: 2_501,
      large: true,
    });
    expect((await group("members", "--group", made.stdout)).stdout.split("\n")).toEqual(["boss", ...names]);
    writeFileSync(folder.in("few"), "user-1\nnobody\n");
    const removed = await group("remove", "--group", made.stdout, "--file", folder.in("few"));
    expect(removed.stderr).toContain("2 of 2 accounts, 1 removed");

    writeFileSync(folder.in("bad"), "fine\nnot a name\n");
    expect(await group("add", "--group", made.stdout, "--file", folder.in("bad"))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("Line 2"),
    });
    const unknown = await group("add", "--group=1zzzz", "--file", folder.in("few"));
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining("--group 1zzzz --skip 0") });
    expect((await group("show", "--group=1zzzz")).code).toBe(1);
    expect((await group("add")).stderr).toContain("--group is missing");
    expect((await group("burn")).stderr).toContain("Expected one of create");
    const { code } = await royal.stop();
    expect(code).toBe(0);
  }, 60_000);

  test("refuses to start when nobody could ask, or with a weak secret beyond this machine", async () => {
    const start = async (env: Record<string, string>) => {
      await using royal = await startScript("src/cli/main.ts", ["royal"], { env });
      return { ...await royal.exited, stderr: royal.stderr };
    };
    expect(await start({})).toMatchObject({ code: 2, stderr: expect.stringContaining("PETREL_CLUSTER_SECRET") });
    expect(await start({ PETREL_CLUSTER_SECRET: "short", PETREL_ROYAL: "0.0.0.0:0" })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("32 bytes"),
    });
  }, 30_000);
});
