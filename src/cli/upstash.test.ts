import { expect, test } from "bun:test";
import process from "node:process";
import { whyNoRedis } from "../../tests/support/redis_server.ts";
import { startScript } from "../../tests/support/processes.ts";
import { tempDir } from "../../tests/support/temp.ts";
import { printed } from "./printed.fixture.ts";
import { parseRedisAddress } from "./redis_address.ts";
import { upstashMain } from "./upstash.ts";

test.each([
  [["--token", "t"], "either --redis or --start-redis"],
  [["--token", "t", "--redis", "unix:/a", "--start-redis", "b"], "either --redis or --start-redis"],
  [["--token", "t", "--redis", "http://a"], "expected redis://"],
  [["--redis", "unix:/a", "--token", "ü"], "printable ASCII"],
  [["--redis", "unix:/a", "--http", "0.0.0.0:1", "--token", "short"], "32 bytes"],
  [["--redis", "unix:/a", "--http", "nowhere", "--token", "t"], "host:port"],
  [["--redis", "unix:/a", "--tokn", "t"], "did you mean --token"],
])("petrel upstash %j says what is wrong", async (args, words) => {
  const { code, err } = await printed(() => upstashMain(args));
  expect(code).toBe(2);
  expect(err).toContain(words);
});

test("addresses of Redis: passwords are sent first and never shown", () => {
  const full = parseRedisAddress("rediss://me:p%40ss@redis.example:6380/3");
  expect(full?.shown).toBe("rediss://redis.example:6380/3");
  expect(full?.opening).toEqual([["AUTH", "me", "p@ss"], ["SELECT", "3"]]);
  expect(parseRedisAddress("redis://:pass@[::1]")).toMatchObject({
    shown: "redis://[::1]:6379",
    opening: [["AUTH", "pass"]],
  });
  for (const wrong of ["", "redis://", "redis://a/b", "tcp://a:1", "unix:"]) {
    expect(parseRedisAddress(wrong)).toBeUndefined();
  }
});

const why = whyNoRedis();
test.skipIf(why !== undefined)("petrel upstash runs a Redis of its own, and takes it along", async () => {
  await using folder = await tempDir();
  const args = ["--http", "localhost:0", "--token", "test", "--start-redis", folder.in("redis")];
  await using child = await startScript("scripts/upstash_local.ts", args);
  const [, url] = await child.find(/UPSTASH_REDIS_REST_URL=(\S+)/, 30_000);
  const ask = async (...command: string[]) => {
    const init = { method: "POST", headers: { authorization: "Bearer test" }, body: JSON.stringify(command) };
    return await (await fetch(url!, init)).json() as { result: string };
  };
  expect(await ask("SET", "a", "b")).toEqual({ result: "OK" });
  const pid = Number(/process_id:(\d+)/.exec((await ask("INFO", "server")).result)?.[1]);
  expect(pid).toBeGreaterThan(1);
  expect((await child.stop("SIGTERM")).code).toBe(0);
  expect(() => process.kill(pid, 0)).toThrow();
}, 60_000);
