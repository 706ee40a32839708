import process from "node:process";
import { CHECK_OPTIONS, checkCommand, CRASH_OPTIONS, crashCommand } from "./check_command.ts";
import { FAULTS_OPTIONS, faultsCommand } from "./faults/faults.ts";
import { GROUP_CHURN_OPTIONS, groupChurn } from "./group_churn.ts";
import { GROUP_TALK_OPTIONS, groupTalk } from "./group_talk.ts";
import { HISTORY_OPTIONS, historyScenario } from "./history_pages.ts";
import { idle, IDLE_OPTIONS } from "./idle.ts";
import { LOGIN_OPTIONS, loginScenario } from "./login.ts";
import { jitter, JITTER_OPTIONS } from "./jitter.ts";
import { optionHelp, type OptionSpec, UsageError } from "./options.ts";
import { say } from "./report.ts";
import { OFFLINE_SYNC_OPTIONS, offlineSync } from "./offline_sync.ts";
import { USER_TALK_OPTIONS, userTalk } from "./user_talk.ts";

interface Scenario {
  readonly what: string;
  readonly options: readonly OptionSpec[];
  readonly run: (args: readonly string[]) => Promise<number>;
}

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  "user-talk": {
    what: "messages between pairs, at a rate or as fast as it goes",
    options: USER_TALK_OPTIONS,
    run: userTalk,
  },
  "group-talk": {
    what: "messages in one group, every delivery to every member counted",
    options: GROUP_TALK_OPTIONS,
    run: groupTalk,
  },
  "group-churn": {
    what: "members who join and leave while they talk: everybody got exactly what was theirs",
    options: GROUP_CHURN_OPTIONS,
    run: groupChurn,
  },
  "offline-sync": {
    what: "how long clients take to get what waited for them",
    options: OFFLINE_SYNC_OPTIONS,
    run: offlineSync,
  },
  "history": {
    what: "pages of a long conversation, both ways, and of the list",
    options: HISTORY_OPTIONS,
    run: historyScenario,
  },
  "login": { what: "logins, one after the other or all at once", options: LOGIN_OPTIONS, run: loginScenario },
  "idle": { what: "connections that do nothing", options: IDLE_OPTIONS, run: idle },
  "crash": { what: "kill -9 under load, then checks that nothing was lost", options: CRASH_OPTIONS, run: crashCommand },
  "faults": {
    what: "kills, pauses, cuts, flushes, wrong clocks in a whole system under load, then the same checks",
    options: FAULTS_OPTIONS,
    run: faultsCommand,
  },
  "jitter": { what: "SDK clients cut off again and again, then the same checks", options: JITTER_OPTIONS, run: jitter },
  "check": { what: "FILE: judges a recorded history", options: CHECK_OPTIONS, run: checkCommand },
};

const HELP_WORDS = ["help", "--help", "-h"];

/**
 * `petrel load …`: measures any server of the wire protocol. Exit code: 0 all right, 1 something is wrong (lost,
 * twice, not reachable…), 2 the command line cannot be used.
 */
export async function loadMain(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || HELP_WORDS.includes(name)) {
    say("petrel load SCENARIO [options]: measures a server, speaking only its wire protocol", "");
    for (const [key, { what }] of Object.entries(SCENARIOS)) say(`  ${key.padEnd(12)} ${what}`);
    say("", "petrel load SCENARIO --help shows the options.");
    return name === undefined ? 2 : 0;
  }
  const scenario = Object.hasOwn(SCENARIOS, name) ? SCENARIOS[name] : undefined;
  if (scenario === undefined) {
    console.error(`petrel load: no scenario ${name}; there are ${Object.keys(SCENARIOS).join(", ")}`);
    return 2;
  }
  if (rest.includes("--help") || rest.includes("-h")) {
    say(`petrel load ${name}: ${scenario.what}`, "", optionHelp(scenario.options));
    return 0;
  }
  try {
    return await scenario.run(rest);
  } catch (error) {
    console.error(`petrel load ${name}: ${error instanceof Error ? error.message : String(error)}`);
    return error instanceof UsageError ? 2 : 1;
  }
}

if (import.meta.main) process.exit(await loadMain(process.argv.slice(2)));
