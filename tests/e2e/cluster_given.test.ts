import { readFileSync } from "node:fs";
import process from "node:process";
import { expect, test } from "bun:test";
import type { ClusterState } from "../../src/cli/cluster/state_file.ts";
import { dayToken } from "../../src/load/token.ts";
import { WireClient } from "../../src/load/wire_client.ts";
import { CLUSTER_PORTS } from "../../src/cli/cluster/plan.ts";
import { freePorts } from "../support/free_port.ts";
import { PostgresServer, whyNoPostgres } from "../support/postgres_server.ts";
import { startScript } from "../support/processes.ts";
import { whyNoRedis } from "../support/redis_server.ts";
import { tempDir } from "../support/temp.ts";
import { UpstashStand } from "../support/upstash_stand.ts";

const WHY_NOT = whyNoRedis() ?? whyNoPostgres();
const NEEDS = WHY_NOT ?? "redis-server, PostgreSQL";

test.skipIf(WHY_NOT !== undefined)(
  `petrel cluster on an Upstash Redis and a PostgreSQL that are there (${NEEDS})`,
  async () => {
    await using dir = await tempDir();
    await using upstash = await UpstashStand.start();
    await using postgres = await PostgresServer.start();
    const data = dir.in("data");
    const counts = ["--ws", "1", "--tcp", "0", "--logic", "2"];
    const args = [
      "cluster",
      "--port",
      `${await freePorts(CLUSTER_PORTS)}`,
      "--data",
      data,
      "--database",
      postgres.url,
      ...counts,
    ];
    const env = { UPSTASH_REDIS_REST_URL: upstash.url, UPSTASH_REDIS_REST_TOKEN: upstash.token, NO_COLOR: "1" };
    await using cluster = await startScript("src/cli/main.ts", args, { env });
    await cluster.find(/Ctrl-C stops all/, 60_000);
    const state = (): ClusterState => JSON.parse(readFileSync(`${data}/cluster.json`, "utf8"));
    expect(state().processes.map(({ name }) => name)).toEqual(["royal", "logic1", "logic2", "ws1", "router", "api"]);
    expect(await upstash.ask("DBSIZE")).toBeGreaterThan(5);
    const secret = readFileSync(state().tokenSecretFile, "utf8").trim();
    const login = (account: string) => WireClient.login(state().clients.ws[0]!, dayToken(secret, "kim", account));
    const [ann, bob] = await Promise.all([login("ann"), login("bob")]);

    // Two stores on one database run side by side: while all are replaced, every message is answered.
    let sent = 0;
    const talk = async (): Promise<void> => expect(await ann!.talk("bob", `${sent++}`)).toMatchObject({ status: 0 });
    await talk();
    process.kill(cluster.pid, "SIGUSR2");
    while (!cluster.stdout.includes("asked to stop: ws1-")) {
      await talk();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await cluster.find(/every process was restarted/, 120_000);
    await Promise.all([ann!.ended, bob!.ended]);
    const back = await login("bob");
    const stored = await back.inbox.readIndex(0n, true);
    expect(stored.length).toBe(sent);

    process.kill(cluster.pid, "SIGTERM");
    expect((await cluster.exited).code).toBe(0);
    expect(await upstash.ask("PING")).toBe("PONG");
  },
  240_000,
);
