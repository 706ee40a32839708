import { expect, test } from "bun:test";
import { ImError } from "../../base/errors.ts";
import { Requests } from "./requests.ts";

const busy = (run: Promise<unknown>) => run.then(() => "ran", (error) => error instanceof ImError ? error.code : error);

test("requests under way are bounded, in number and in bytes", async () => {
  const requests = new Requests();
  const { promise, resolve } = Promise.withResolvers<void>();
  const large = Array.from({ length: 16 }, () => requests.during(16 << 20, () => promise));
  expect(await busy(requests.during(1, () => promise))).toBe("BUSY");
  const small = Array.from({ length: 3_984 }, () => requests.during(0, () => promise));
  expect(requests.open).toBe(4_000);
  expect(await busy(requests.during(0, () => promise))).toBe("BUSY");
  resolve();
  await Promise.all([...large, ...small]);
  expect(requests.open).toBe(0);
  expect(await busy(requests.during(16 << 20, () => promise))).toBe("ran");
});

test("a stop waits for what is under way, also for what fails", async () => {
  const requests = new Requests();
  await requests.drain();
  const { promise, reject } = Promise.withResolvers<void>();
  const failing = busy(requests.during(1, () => promise));
  let drained = false;
  const drain = requests.drain().then(() => drained = true);
  await Promise.resolve();
  expect([drained, requests.stopping]).toEqual([false, true]);
  reject(new ImError("SYSTEM", "Cannot"));
  await drain;
  expect(await failing).toBe("SYSTEM");
});
