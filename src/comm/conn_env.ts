import { type Clock, systemClock } from "../base/clock.ts";
import { silent } from "../base/logger.ts";
import { TimerWheel } from "../base/timer_wheel.ts";
import type { ConnOptions } from "./ports.ts";
import type { ConnEnv } from "./stream_conn.ts";

/** One wheel for all closings on one clock. An empty wheel does nothing, so nobody has to stop it. */
const wheels = new WeakMap<Clock, TimerWheel>();

/** What the connections of a listener or a dialler share. */
export function connEnv(options: ConnOptions): ConnEnv {
  const clock = options.clock ?? systemClock;
  let wheel = wheels.get(clock);
  if (!wheel) wheels.set(clock, wheel = new TimerWheel(clock));
  return { wheel, log: options.log ?? silent };
}
