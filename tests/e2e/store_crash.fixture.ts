/**
 * Run by store_crash.ts, and killed by it: `store_crash.fixture.ts <directory> <prefix>`. Appends through the batcher
 * and writes a line for each answer: `stored` with the answer, and the request it was for. Every fourth message goes to a
 * group: half of the accounts are in a small one, which one more joins and leaves all the time, all are in a large one.
 */
import process from "node:process";
import { systemClock } from "../../src/base/clock.ts";
import { Batcher } from "../../src/message/batcher.ts";
import { openSqliteStore } from "../../src/message/sqlite.ts";
import { change, group, groupTalk } from "../contract/group_talk.ts";
import { talk } from "../contract/message_talk.ts";

const ACCOUNTS = 12, SENDERS = 60;
const [directory = "", prefix = ""] = process.argv.slice(2);

const names = Array.from({ length: ACCOUNTS }, (_, i) => `a${i}`), small = names.slice(0, ACCOUNTS / 2);

const store = await openSqliteStore({
  directory,
  tailRows: 300,
  inboxGroup: ACCOUNTS - 1,
  faults: process.env["PETREL_FAULT"],
});
const batcher = new Batcher(store, { clock: systemClock });

/** Of this store: made by its first process. */
async function groupOf(name: string, members: readonly string[]): Promise<string> {
  const { conversations } = await store.conversations("kim", "a0", undefined, 100);
  const found = conversations.find((one) => one.group?.name === name)?.group;
  return found?.id ?? (await store.createGroup(group("a0", members, { name }))).id;
}

async function send(slot: number, groups: readonly string[]): Promise<void> {
  const sender = names[slot % ACCOUNTS]!;
  for (let n = 1;; n++) {
    const id = `${prefix}_${slot}_${n}`, dest = names[(slot + n) % ACCOUNTS]!;
    const over = { body: id, clientMsgId: id, key: { scope: `${prefix}_${slot}`, n, low: n } };
    const grouped = n % 4 === 0 ? groups[small.includes(sender) ? n / 4 % 2 : 1] : undefined;
    const answer = await batcher.append(grouped ? groupTalk(sender, grouped, over) : talk(sender, dest, over));
    const { messageId, sendTime, seq, senderPos, receiverPos, fan, room } = answer;
    const positions = room ? "room" : fan?.map(({ account, pos }) => `${account}:${pos}`).join() ?? "";
    process.stdout.write(
      `stored ${sender} ${
        grouped ?? dest
      } ${id} ${messageId} ${sendTime} ${seq} ${senderPos} ${receiverPos} ${positions}\n`,
    );
  }
}

async function comeAndGo(id: string, account: string): Promise<void> {
  for (;;) {
    await store.join(change(id, [account]));
    await store.quit(change(id, [account], { by: account }));
  }
}

const groups = [await groupOf("small", small), await groupOf("large", names)];
process.stdout.write("open\n");
await Promise.all([
  comeAndGo(groups[0]!, names.at(-1)!),
  ...Array.from({ length: SENDERS }, (_, slot) => send(slot, groups)),
]);
