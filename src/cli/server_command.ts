import { readFileSync } from "node:fs";
import process from "node:process";
import type { z } from "zod";
import { systemClock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { CommandMain } from "./command_main.ts";
import { type LogLevel, openLog } from "./log.ts";
import { type RunningServer, startProblem } from "./server_process.ts";
import type { SettingsSchema } from "./setting.ts";
import { readSettings } from "./settings.ts";
import { settingsHelp } from "./settings_help.ts";
import { stopSignal } from "./stop_signal.ts";

/** A server that has started, and what to tell a person about it. */
export interface Started {
  readonly system: RunningServer;
  /** @param startMs how long the start took. @param colors whether the terminal shows bold text. */
  banner(startMs: number, colors: boolean): string;
}

/** A command of `petrel` that starts a server and runs until it is told to stop. */
export interface ServerCommand<S extends SettingsSchema> {
  /** `petrel <name>`. */
  readonly name: string;
  /** The first paragraphs of `--help`. */
  readonly help: string;
  readonly schema: S;
  /** @throws {ImError} CONFIG: it cannot start, with a message for a person. */
  start(settings: z.infer<S> & { readonly log: LogLevel }, log: Logger): Promise<Started>;
}

/**
 * Runs a server from its settings to its stop. Gives the exit code: 0 stopped, 1 failed, 2 the settings are wrong.
 */
export function serverCommand<S extends SettingsSchema>(command: ServerCommand<S>): CommandMain {
  return async (args) => {
    const { name, schema } = command;
    if (args.includes("--help") || args.includes("-h")) {
      console.log(`${command.help}\nUsage: petrel ${name} [options]\n\n${settingsHelp(schema)}`);
      return 0;
    }
    const read = readSettings(schema, args, process.env, (path) => readFileSync(path, "utf8"));
    if ("problems" in read) {
      for (const problem of read.problems) console.error(problem);
      console.error(`petrel ${name} --help lists all settings`);
      return 2;
    }
    return await run(command, read.settings as z.infer<S> & { readonly log: LogLevel });
  };
}

async function run<S extends SettingsSchema>(
  command: ServerCommand<S>,
  settings: z.infer<S> & { readonly log: LogLevel },
): Promise<number> {
  const startedMs = systemClock.mono();
  const log = openLog({ level: settings.log });
  let started: Started;
  try {
    started = await command.start(settings, log);
  } catch (thrown) {
    console.error(startProblem(thrown));
    return 1;
  }
  const { system } = started;
  const stop = stopSignal();
  if (settings.log !== "silent") {
    const colors = process.stdout.isTTY === true && process.env["NO_COLOR"] === undefined;
    console.log(started.banner(Math.round(systemClock.mono() - startedMs), colors));
  }
  const failure = await Promise.race([stop, system.failed]);
  if (failure instanceof Error) {
    // Nothing may be answered any more: the next start reads from the disk what became of the last batch.
    log.error("cannot go on: ending now", { error: failure });
    return 1;
  }
  await system[Symbol.asyncDispose]();
  return 0;
}
