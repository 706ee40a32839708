import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../base/fake_clock.ts";
import type { ClientChannel } from "./client_channel.ts";
import { Reading } from "./reading.ts";

/** What Reading sees of a channel. */
function channelOf() {
  const agent = {
    read: true,
    pause: () => void (agent.read = false),
    resume: () => void (agent.read = true),
  };
  const channel = { state: "open", paused: false, readAtMs: 0, agent } as unknown as ClientChannel;
  return { channel, agent };
}

describe("Reading", () => {
  test("a channel that asked too fast is read again at the latest time it was given, not the first", () => {
    const clock = new FakeClock();
    const reading = new Reading(clock);
    const { channel, agent } = channelOf();
    reading.later(channel, 100);
    reading.later(channel, 1_000);
    reading.later(channel, 50);
    clock.advance(999);
    expect(agent.read).toBe(false);
    clock.advance(1);
    expect(agent.read).toBe(true);
  });

  test("a channel is read when no reason to wait is left, whichever goes first", () => {
    const clock = new FakeClock();
    const reading = new Reading(clock);
    const { channel, agent } = channelOf();
    reading.later(channel, 100);
    channel.paused = true;
    clock.advance(100);
    expect(agent.read).toBe(false);
    channel.paused = false;
    reading.again(channel);
    expect(agent.read).toBe(true);
    reading.later(channel, 100);
    reading.again(channel);
    expect(agent.read).toBe(false);
  });

  test("one that is stopped is read no more, whatever answer comes; the others are", () => {
    const clock = new FakeClock();
    const reading = new Reading(clock);
    const [one, other] = [channelOf(), channelOf()];
    for (const { channel } of [one, other]) reading.later(channel, 100);
    reading.stop(one.channel);
    clock.advance(200);
    for (const { channel } of [one, other]) reading.again(channel);
    expect([one.agent.read, other.agent.read]).toEqual([false, true]);
  });

  test("a channel that has gone is left alone", () => {
    const clock = new FakeClock();
    const reading = new Reading(clock);
    const { channel, agent } = channelOf();
    reading.later(channel, 100);
    channel.state = "closed";
    clock.advance(1_000);
    expect(agent.read).toBe(false);
  });
});
