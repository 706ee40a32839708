import { expect, test } from "bun:test";
import { FakeClock } from "../../base/fake_clock.ts";
import { Metrics } from "../../base/metrics.ts";
import { Receipts } from "./receipts.ts";

function open() {
  const clock = new FakeClock(), metrics = new Metrics();
  return { clock, metrics, receipts: new Receipts(clock, metrics) };
}

test("one push in 64 is confirmed, and every kick-out, each under another number", () => {
  const { receipts } = open();
  const numbers = Array.from({ length: 640 }, () => receipts.next("gw1", "chat.user.talk"));
  expect(numbers.filter((one) => one !== undefined)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect([receipts.next("gw1", "login.signin"), receipts.next("gw1", "login.signin")]).toEqual([11, 12]);
});

test("a receipt is counted once, and only from the gateway that was asked", () => {
  const { clock, metrics, receipts } = open();
  const id = receipts.next("gw1", "login.signin")!;
  clock.advance(20);
  for (const gate of ["gw2", "gw1", "gw1"]) receipts.came(id, gate);
  receipts.came(77, "gw1");
  expect(metrics.read("petrel_receipt_seconds")).toBe(1);
  expect(receipts.size).toBe(0);
});

test("receipts that never come are forgotten; until then no more are asked for than are kept", () => {
  const { clock, receipts } = open();
  for (let i = 0; i < 10_500; i++) receipts.next("gw1", "login.signin");
  expect(receipts.size).toBe(10_000);
  clock.advance(31_000);
  expect(receipts.next("gw1", "login.signin")).toBeGreaterThan(10_000);
  expect(receipts.size).toBe(1);
});
