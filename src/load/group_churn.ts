import { randomBytes } from "node:crypto";
import { churn } from "./churn.ts";
import { CHURN_FAULTS, churnLines } from "./churn_judge.ts";
import { Options, type OptionSpec, UsageError } from "./options.ts";
import { FIGURE_OPTIONS, grouped, publish, say, surroundings } from "./report.ts";
import { openTarget, OWN_SERVER, TARGET_OPTIONS } from "./target.ts";
import { WireClient } from "./wire_client.ts";

export const GROUP_CHURN_OPTIONS: readonly OptionSpec[] = [
  { name: "members", value: "N", preset: "600", help: "accounts that are in the group at some time" },
  { name: "online", value: "N", preset: "30", help: "how many are online: ours, old clients, some with both" },
  { name: "talks", value: "N", preset: "5000", help: "messages in all" },
  { name: "seed", value: "N", preset: "1", help: "of who does what" },
  { name: "readers", value: "N", preset: "60", help: "of those who were away, how many are read afterwards" },
  ...TARGET_OPTIONS,
  ...FIGURE_OPTIONS,
];

/** `petrel load group-churn`: members join and leave while they talk. Exit code 1 when anything is wrong. */
export async function groupChurn(args: readonly string[]): Promise<number> {
  const options = new Options(args, GROUP_CHURN_OPTIONS);
  const plan = {
    members: options.whole("members", 3),
    online: options.whole("online", 2),
    talks: options.whole("talks", 1),
    seed: options.whole("seed"),
    readers: options.whole("readers"),
  };
  if (plan.online > plan.members) {
    throw new UsageError(`Cannot use --online ${plan.online}: there are ${plan.members} members`);
  }
  await using target = await openTarget(options, OWN_SERVER);
  let next = 0;
  const start = performance.now();
  const result = await churn({
    ...plan,
    prefix: `churn-${randomBytes(4).toString("hex")}`,
    ...(options.on("quiet") ? {} : { say }),
    login: (account, device, ours) => {
      const meta = new Map([["im.device", device], ...(ours ? [["im.caps", "1"] as const] : [])]);
      return WireClient.login(target.urls[next++ % target.urls.length]!.text, target.token(account), { meta });
    },
  });
  const { verdict, stored, refused, changes, readings, members, largeFrom } = result;
  const wrong = CHURN_FAULTS.filter((name) => verdict[name].count > 0);
  const outcome = {
    title: `group-churn: ${plan.members} accounts, ${plan.online} online, seed ${plan.seed}`,
    rows: [
      ["messages", `${grouped(stored)} stored, ${grouped(refused)} refused`],
      ["joins and quits", `${grouped(changes)}, ${grouped(members)} members at the end`],
      ["large", largeFrom === undefined ? "never" : largeFrom === 0 ? "from the start" : `after ${grouped(largeFrom)}`],
      ["readings judged", grouped(readings)],
      ["took", `${((performance.now() - start) / 1000).toFixed(1)} s`],
    ] as const,
    figures: { ...result },
    tiles: CHURN_FAULTS.map((name) => [name, verdict[name].count] as const),
    faults: wrong.map((name) => `${name} ${verdict[name].count}`),
    details: churnLines(verdict),
  };
  return publish(outcome, surroundings(options, target, "group-churn", args), options);
}
