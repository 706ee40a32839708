import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import process from "node:process";
import { expect, test } from "bun:test";
import type { ClusterState } from "../../src/cli/cluster/state_file.ts";
import { dayToken } from "../../src/load/token.ts";
import { WireClient } from "../../src/load/wire_client.ts";
import { CLUSTER_PORTS } from "../../src/cli/cluster/plan.ts";
import { freePorts } from "../support/free_port.ts";
import { whyNoRedis } from "../support/redis_server.ts";
import { startScript } from "../support/processes.ts";
import { tempDir } from "../support/temp.ts";
import { until } from "../support/until.ts";

const NO_REDIS = whyNoRedis();
const CAPS = { meta: new Map([["im.caps", "1"]]) };

/** Processes of this machine whose command line names the folder. */
function thatName(folder: string): string[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      return line.includes(folder) && Number(pid) !== process.pid ? [`${pid}: ${line}`] : [];
    } catch {
      return []; // it has just ended
    }
  });
}

test.skipIf(NO_REDIS !== undefined)(
  `petrel cluster comes up, talks across gateways, mends itself, restarts all, leaves nothing (${
    NO_REDIS ?? "redis-server"
  })`,
  async () => {
    await using dir = await tempDir();
    const data = dir.in("data");
    const port = await freePorts(CLUSTER_PORTS);
    const args = ["cluster", "--port", `${port}`, "--data", data];
    await using cluster = await startScript("src/cli/main.ts", args, { env: { NO_COLOR: "1", PETREL_LOG: undefined } });
    await cluster.find(/Ctrl-C stops all/, 60_000);
    expect(cluster.stdout).toContain(`ws://localhost:${port}`);
    const state = (): ClusterState => JSON.parse(readFileSync(`${data}/cluster.json`, "utf8"));
    const names = ["upstash", "royal", "logic1", "logic2", "ws1", "ws2", "tcp1", "router", "api"];
    expect(state().processes.map(({ name }) => name)).toEqual(names);
    for (const file of ["cluster.env", "cluster.secret", "token.secret", "api.key"]) {
      expect([file, statSync(`${data}/${file}`).mode & 0o777]).toEqual([file, 0o600]);
    }
    const secret = readFileSync(state().tokenSecretFile, "utf8").trim();
    const { ws, tcp } = state().clients;
    const login = (url: string, account: string) => WireClient.login(url, dayToken(secret, "kim", account), CAPS);
    const talk = async (by: WireClient, to: WireClient, text: string): Promise<void> => {
      expect(await by.talk(to.account, text)).toMatchObject({ status: 0 });
      await to.until(({ messages }) => messages.some(({ body }) => body === text), 20_000);
    };
    const clients = await Promise.all([login(ws[0]!, "ann"), login(ws[1]!, "bob"), login(tcp[0]!, "cat")]);
    const [ann, bob, cat] = clients;
    await talk(ann!, bob!, "one");
    await talk(bob!, cat!, "two");
    await talk(cat!, ann!, "three");

    // The commands of the banner, and its pages, are there.
    const said = await startScript("src/cli/main.ts", [
      ...["chat", "--as", "dan", "--to", "cat", "--url", tcp[0]!, "--data", data],
    ], { input: true });
    said.write("from a terminal\n");
    said.endInput();
    await cat!.until(({ messages }) => messages.some(({ body }) => body === "from a terminal"), 20_000);
    expect((await said.exited).code).toBe(0);
    expect(await (await fetch(ws[1]!.replace("ws:", "http:"))).text()).toContain(
      'data-demo="on" data-health="off"', // its monitor is elsewhere
    );
    const key = readFileSync(`${data}/api.key`, "utf8").trim();
    const api = state().processes.find(({ role }) => role === "api")!.urls["http"]!;
    const posted = await fetch(`${api}/api/v1/kim/messages`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ from: "eve", to: "cat", body: "from a server" }),
    });
    expect(posted.status).toBeLessThan(300);
    await cat!.until(({ messages }) => messages.some(({ body }) => body === "from a server"), 20_000);

    // What is killed comes back; nobody's login is gone for a chat server.
    for (const name of ["logic1", "royal"]) {
      const before = state().processes.find((one) => one.name === name)!;
      process.kill(before.pid, "SIGKILL");
      await talk(ann!, cat!, `${name} is gone`);
      await until(async () => {
        const now = state().processes.find((one) => one.name === name);
        return now !== undefined && now.pid !== before.pid && (await fetch(`${now.urls["monitor"]}/ready`)).ok;
      });
      expect(cluster.stdout).toMatch(new RegExp(`${name} +\\| ended with SIGKILL`));
    }
    process.kill(state().processes.find(({ name }) => name === "ws2")!.pid, "SIGKILL");
    await bob!.ended;
    let back: WireClient | undefined;
    await until(async () => (back = await login(ws[1]!, "bob")) !== undefined);
    await talk(ann!, back!, "welcome back");

    // All anew, asked from outside; the places stay.
    const old = new Set(state().processes.filter(({ name }) => name !== "upstash").map(({ pid }) => pid));
    await using roll = await startScript("src/cli/main.ts", ["cluster", "--roll", "--data", data]);
    expect(await roll.exited).toEqual({ code: 0, signal: null });
    await cluster.find(/every process was restarted/, 120_000);
    expect(state().processes.map(({ name }) => name)).toEqual(names);
    expect(state().processes.filter(({ pid }) => old.has(pid))).toEqual([]);
    const again = await Promise.all([login(ws[0]!, "ann"), login(tcp[0]!, "cat")]);
    await talk(again[0]!, again[1]!, "still here");

    process.kill(cluster.pid, "SIGINT");
    expect((await cluster.exited).code).toBe(0);
    await until(() => Promise.resolve(thatName(dir.in("")).length === 0));
    expect(readdirSync(data)).not.toContain("cluster.json");
  },
  240_000,
);

test.skipIf(NO_REDIS !== undefined)(
  `petrel cluster says what cannot be, and leaves nothing (${NO_REDIS ?? "redis-server"})`,
  async () => {
    await using dir = await tempDir();
    const start = (args: string[], env: Record<string, string> = {}) =>
      startScript("src/cli/main.ts", ["cluster", "--data", dir.in("data"), ...args], { env });
    await using wrong = await start(["--ws", "0", "--tcp", "0", "--logic", "x", "--porrt", "1"]);
    expect((await wrong.exited).code).toBe(2);
    expect(wrong.stderr).toContain("Unknown option --porrt: did you mean --port?");
    writeFileSync(dir.in("file"), "");
    await using file = await startScript("src/cli/main.ts", ["cluster", "--data", dir.in("file")]);
    expect((await file.exited).code).toBe(1);
    expect(file.stderr).toContain(`Cannot use data folder ${dir.in("file")}: `);
    const port = await freePorts(CLUSTER_PORTS);
    await using none = await start(["--port", `${port}`], { PATH: "/nowhere" });
    expect((await none.exited).code).toBe(1);
    expect(none.stderr).toContain("apt-get install redis-server");
    await using bad = await start(["--port", `${port}`], { PETREL_ORIGINS: "nonsense" });
    expect((await bad.exited).code).toBe(1);
    expect(bad.stderr).toMatch(/Cannot start ws1: it ended with code 2[^]*PETREL_ORIGINS is "nonsense"/);
    await until(() => Promise.resolve(thatName(dir.in("")).length === 0));
  },
  120_000,
);

test.skipIf(NO_REDIS !== undefined)(
  `a second Ctrl-C, or a kill of petrel cluster itself, leaves nothing either (${NO_REDIS ?? "redis-server"})`,
  async () => {
    for (const end of ["twice", "killed"]) {
      await using dir = await tempDir();
      const args = [
        "cluster",
        "--port",
        `${await freePorts(CLUSTER_PORTS)}`,
        "--data",
        dir.in("data"),
        "--ws",
        "1",
        "--logic",
        "1",
      ];
      await using cluster = await startScript("src/cli/main.ts", [...args, "--tcp", "0"]);
      await cluster.find(/Ctrl-C stops all/, 60_000);
      const { processes }: ClusterState = JSON.parse(readFileSync(dir.in("data/cluster.json"), "utf8"));
      // One that does not stop: it is asked in vain.
      process.kill(processes.find(({ role }) => role === "api")!.pid, "SIGSTOP");
      if (end === "killed") process.kill(cluster.pid, "SIGKILL");
      else {
        process.kill(cluster.pid, "SIGINT");
        await cluster.find(/stopping/);
        await new Promise((resolve) => setTimeout(resolve, 700)); // sooner it is taken for the same one
        process.kill(cluster.pid, "SIGINT");
        expect((await cluster.exited).code).toBe(130);
      }
      await until(() => Promise.resolve(thatName(dir.in("")).length === 0));
      const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);
      await until(() => Promise.resolve(!processes.some(({ pid }) => isAlive(pid))));
    }
  },
  180_000,
);

test.skipIf(NO_REDIS !== undefined)(
  `petrel cluster begins at once where another one was stopped, or killed (${NO_REDIS ?? "redis-server"})`,
  async () => {
    await using dir = await tempDir();
    const port = `${await freePorts(CLUSTER_PORTS)}`;
    const args = ["cluster", "--port", port, "--data", dir.in("data"), "--ws", "1", "--logic", "1", "--tcp", "0"];
    for (const end of ["SIGINT", "SIGKILL"] as const) {
      await using first = await startScript("src/cli/main.ts", args);
      await first.find(/Ctrl-C stops all/, 60_000);
      process.kill(first.pid, end);
      await first.exited;
      await using second = await startScript("src/cli/main.ts", args);
      await second.find(/Ctrl-C stops all/, 90_000);
      if (end === "SIGKILL") expect(second.stderr).toContain("waiting for what is left of a cluster that was killed");
      await new Promise((resolve) => setTimeout(resolve, 2_500)); // who looks after the first one looks once a second
      expect(second.stdout).not.toContain("ended with");
      expect(JSON.parse(readFileSync(dir.in("data/cluster.json"), "utf8")).pid).toBe(second.pid);
      process.kill(second.pid, "SIGINT");
      expect((await second.exited).code).toBe(0);
    }
    await until(() => Promise.resolve(thatName(dir.in("")).length === 0));
  },
  240_000,
);
