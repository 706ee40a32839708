import { readFileSync } from "node:fs";
import process from "node:process";
import * as runtime from "#runtime";
import { systemClock } from "../base/clock.ts";
import manifest from "../../package.json" with { type: "json" };
import { startProblem } from "./dev_system.ts";
import { openLog } from "./log.ts";
import { messagesAt } from "./messages_at.ts";
import { RoyalSettings } from "./royal_settings.ts";
import { startRoyal } from "./royal_system.ts";
import { readSettings } from "./settings.ts";
import { settingsHelp } from "./settings_help.ts";
import { stopSignal } from "./stop_signal.ts";

const HELP = `petrel royal: the message and group store by itself

Answers chat servers over HTTP: ours (PETREL_ROYAL_URL there, PETREL_CLUSTER_SECRET on both sides) and KIM's
(PETREL_KIM_PEERS). Keeps messages in SQLite, or in PostgreSQL with PETREL_DATABASE_URL. Runs until Ctrl-C.

Usage: petrel royal [options]

`;

/** `petrel royal`. Gives the exit code: 0 stopped, 1 failed, 2 the settings are wrong. */
export async function royalMain(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    console.log(HELP + settingsHelp(RoyalSettings));
    return 0;
  }
  const read = readSettings(RoyalSettings, args, process.env, (path) => readFileSync(path, "utf8"));
  if ("problems" in read) {
    for (const problem of read.problems) console.error(problem);
    console.error("petrel royal --help lists all settings");
    return 2;
  }
  const { settings } = read;
  const startedMs = systemClock.mono();
  const log = openLog({ level: settings.log });
  let system;
  try {
    system = await startRoyal({ ...settings, database: settings.databaseUrl }, runtime, log);
  } catch (thrown) {
    console.error(startProblem(thrown));
    return 1;
  }
  const stop = stopSignal();
  if (settings.log !== "silent") {
    const url = system.url.replace(/\/\/(127\.0\.0\.1|\[::1\]|0\.0\.0\.0|\[::\])(?=:)/, "//localhost");
    const peers = settings.kimPeers === undefined ? "" : settings.clusterSecret === undefined ? "listed" : " or listed";
    console.log([
      "",
      `  Petrel royal ${manifest.version} on ${runtime.name} ${runtime.version}, ready in ${
        Math.round(systemClock.mono() - startedMs)
      } ms`,
      "",
      `  Store       ${url}`,
      `  Messages    ${messagesAt(settings)}`,
      `  May ask     ${settings.clusterSecret === undefined ? "" : "signed requests"}${peers && `${peers} addresses`}`,
      ...(settings.databaseUrl === undefined && settings.sync === "normal"
        ? ["  Promise     Success means committed, not synced: a power cut may take the last messages"]
        : []),
      `  Health      ${url}/health   ${url}/ready   ${url}/metrics`,
      "",
      "  Ctrl-C stops.",
      "",
    ].join("\n"));
  }
  const failure = await Promise.race([stop, system.failed]);
  if (failure instanceof Error) {
    log.error("the message store stopped: ending now", { error: failure });
    return 1;
  }
  await system[Symbol.asyncDispose]();
  return 0;
}
