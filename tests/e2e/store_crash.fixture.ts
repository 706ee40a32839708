/**
 * Run by store_crash.ts, and killed by it: `store_crash.fixture.ts <directory> <prefix>`. Appends through the batcher
 * and writes a line for each answer: `stored` with the answer, and the request it was for.
 */
import process from "node:process";
import { systemClock } from "../../src/base/clock.ts";
import { Batcher } from "../../src/message/batcher.ts";
import { openSqliteStore } from "../../src/message/sqlite.ts";
import { talk } from "../contract/message_talk.ts";

const ACCOUNTS = 12, SENDERS = 60;
const [directory = "", prefix = ""] = process.argv.slice(2);

const store = await openSqliteStore({ directory, tailRows: 300, faults: process.env["PETREL_FAULT"] });
const batcher = new Batcher(store, { clock: systemClock });

async function send(slot: number): Promise<void> {
  const sender = `a${slot % ACCOUNTS}`;
  for (let n = 1;; n++) {
    const dest = `a${(slot + n) % ACCOUNTS}`, id = `${prefix}_${slot}_${n}`;
    const key = { scope: `${prefix}_${slot}`, n, low: n };
    const answer = await batcher.append(talk(sender, dest, { body: id, clientMsgId: id, key }));
    const { messageId, sendTime, seq, senderPos, receiverPos } = answer;
    process.stdout.write(
      `stored ${sender} ${dest} ${id} ${messageId} ${sendTime} ${seq} ${senderPos} ${receiverPos}\n`,
    );
  }
}

process.stdout.write("open\n");
await Promise.all(Array.from({ length: SENDERS }, (_, slot) => send(slot)));
