import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Counter, Metrics } from "../../base/metrics.ts";
import type { Middleware } from "../router.ts";

/** Counts commands by name and outcome and times them. Names outside `known` are counted under one label. */
export function measure(clock: Clock, metrics: Metrics, known: readonly string[]): Middleware {
  const series = new Map<string, Counter>();
  const count = (command: string, outcome: string): void => {
    const key = `${command} ${outcome}`;
    let counter = series.get(key);
    if (!counter) {
      counter = metrics.counter("petrel_commands_total", "Commands answered, by outcome", { command, outcome });
      series.set(key, counter);
    }
    counter.value++;
  };
  const names = new Set(known);
  const seconds = new Map(known.map((command) => [
    command,
    metrics.histogram("petrel_command_seconds", "From arrival at logic to the answer", { command }),
  ]));
  return async (ctx, next) => {
    const command = names.has(ctx.header.command) ? ctx.header.command : "other";
    try {
      const body = await next();
      count(command, "SUCCESS");
      return body;
    } catch (thrown) {
      count(command, ImError.from(thrown).code);
      throw thrown;
    } finally {
      seconds.get(command)?.observe((clock.mono() - ctx.arrivedMs) / 1000);
    }
  };
}
