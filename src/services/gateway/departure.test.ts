import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../base/fake_clock.ts";
import type { CloseReason } from "../../protocol/close_reason.ts";
import type { ClientChannel } from "./client_channel.ts";
import { depart } from "./departure.ts";
import { Reading } from "./reading.ts";

/** What a departure sees of a channel. */
class Stand {
  closed: string | undefined;
  read = true;
  waitsForAnswers = false;
  readonly agent = {
    pause: () => void (this.read = false),
    resume: () => void (this.read = true),
    close: (why: CloseReason) => void (this.closed = why.reason),
  };
  paused = false;
  readAtMs = 0;
  get state(): string {
    return this.closed === undefined ? "open" : "closed";
  }
}

function stand(count: number) {
  const clock = new FakeClock();
  const all = Array.from({ length: count }, () => new Stand());
  const channels = () => all.filter(({ closed }) => closed === undefined) as unknown as ClientChannel[];
  const host = { clock, reading: new Reading(clock), channels };
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 50) {
      clock.advance(50);
      await Promise.resolve();
      await Promise.resolve();
    }
  };
  return { all, host, pass, left: () => all.filter(({ closed }) => closed === undefined).length };
}

describe("depart", () => {
  test("lets channels go evenly, those that stay are read", async () => {
    const { all, host, pass, left } = stand(100);
    const done = depart(host, 1_000);
    await pass(500);
    expect(left()).toBe(50);
    expect(all.every(({ read, closed }) => read === (closed === undefined))).toBe(true);
    await pass(500);
    expect(left()).toBe(0);
    await pass(50);
    await done;
  });

  test("a channel gets its answers first, but does not wait for ever", async () => {
    const { all, host, pass } = stand(2);
    for (const channel of all) channel.waitsForAnswers = true;
    const done = depart(host, 0);
    await pass(100);
    expect(all.map(({ read, closed }) => [read, closed])).toEqual([[false, undefined], [false, undefined]]);
    all[0]!.waitsForAnswers = false;
    await pass(50);
    expect(all.map(({ closed }) => closed)).toEqual(["shutdown", undefined]);
    await pass(2_000);
    expect(all[1]!.closed).toBe("shutdown");
    await done;
  });

  test("who comes meanwhile goes too; without anybody it is over at once", async () => {
    const { all, host, pass, left } = stand(2);
    const done = depart(host, 200);
    await pass(100);
    all.push(new Stand());
    await pass(200);
    expect(left()).toBe(0);
    await done;
    await depart(stand(0).host, 10_000);
  });
});
