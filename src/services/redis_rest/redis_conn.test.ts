import { expect, test } from "bun:test";
import net from "node:net";
import { RedisServer, whyNoRedis } from "../../../tests/support/redis_server.ts";
import { systemClock } from "../../base/clock.ts";
import { type Logger, silent } from "../../base/logger.ts";
import { parseRedisAddress } from "../../cli/redis_address.ts";
import { RedisConn, type RedisConnOptions } from "./redis_conn.ts";

const withRedis = test.skipIf(whyNoRedis() !== undefined);

function connect(path: string, more: Partial<RedisConnOptions> = {}): RedisConn {
  return new RedisConn({ dial: parseRedisAddress(`unix:${path}`)!.dial, clock: systemClock, log: silent, ...more });
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(() => "answered", (error) => `${error.code} ${error.message}`);

withRedis("a password is sent first, on every connection; a wrong one is said once in the log", async () => {
  await using redis = await RedisServer.start(["--requirepass", "right"]);
  using right = connect(redis.path, { opening: [["AUTH", "right"], ["SELECT", "3"]] });
  const [, info] = await right.send([["SET", "a", "b"], ["CLIENT", "INFO"]]);
  expect(new TextDecoder().decode(info as Uint8Array)).toContain(" db=3 ");
  const lines: string[] = [];
  const log: Logger = { ...silent, warn: (message) => void lines.push(message) };
  using wrong = connect(redis.path, { opening: [["AUTH", "wrong"]], log });
  for (let i = 0; i < 5; i++) {
    expect(await codeOf(wrong.send([["GET", "a"]]))).toContain("CLOSED Cannot ask Redis: it refuses us");
  }
  expect(lines).toEqual(["redis is out of reach"]);
});

withRedis("too many commands, or too many bytes, are refused while others wait", async () => {
  await using redis = await RedisServer.start();
  using conn = connect(redis.path, { most: 3 });
  redis.pause();
  const first = Array.from({ length: 3 }, () => conn.send([["PING"]]));
  expect(await codeOf(conn.send([["PING"]]))).toContain("BUSY");
  using other = connect(redis.path);
  const large = other.send([["SET", "a", new Uint8Array(60 << 20)]]);
  expect(await codeOf(other.send([["SET", "b", new Uint8Array(5 << 20)]]))).toContain("BUSY");
  redis.unpause();
  await Promise.all([...first, large]);
  expect(await codeOf(conn.send([["PING"]]))).toBe("answered");
  expect(await codeOf(other.send([["SET", "b", new Uint8Array(5 << 20)]]))).toBe("answered");
}, 30_000);

test("a server that answers nothing is dropped, and one that answers nonsense too", async () => {
  let nonsense = false;
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", () => nonsense && socket.write("?what\r\n"));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as net.AddressInfo;
  const { dial } = parseRedisAddress(`redis://127.0.0.1:${port}`)!;
  using conn = new RedisConn({ dial, clock: systemClock, log: silent, silentMs: 100 });
  expect(await codeOf(conn.send([["PING"]]))).toContain("it answered nothing for 100 ms");
  nonsense = true;
  expect(await codeOf(conn.send([["PING"]]))).toContain("Cannot read reply");
  await new Promise((done) => server.close(done));
  expect(await codeOf(conn.send([["PING"]]))).toContain("nobody answers there");
});
