import type { DatabaseSync, StatementSync } from "node:sqlite";
import { ImError } from "../../base/errors.ts";
import { type Groups, unknownGroup } from "./groups.ts";
import { headOf, type Log, type Logs } from "./logs.ts";
import type { ReadOp } from "./ops.ts";
import { int } from "./rows.ts";
import { KIND, pairName } from "./schema.ts";

/** How far each account has read its conversations. */
export class ReadPositions {
  readonly #logs: Logs;
  readonly #groups: Groups;
  readonly #select: StatementSync;
  readonly #move: StatementSync;

  constructor(db: DatabaseSync, logs: Logs, groups: Groups) {
    this.#logs = logs;
    this.#groups = groups;
    this.#select = db.prepare("SELECT read FROM conversations WHERE account = ? AND conversation = ?");
    this.#move = db.prepare(
      `INSERT INTO conversations (account, conversation, peer, since, read) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET read = excluded.read`,
    );
  }

  /** Moves it forward and gives what it is then. @param begin is called before something is written. */
  move({ app, account, peer, seq }: ReadOp, begin: () => void): number | ImError {
    const own = this.#logs.find(app, KIND.account, account);
    const conversation = "group" in peer
      ? this.#ofGroup(app, own, peer.group)
      : this.#logs.find(app, KIND.pair, pairName(account, peer.account));
    if (conversation instanceof ImError) return conversation;
    if (!conversation || !own) return 0;
    const row = this.#select.get(own.id, conversation.id);
    const now = Math.max(row ? int(row, "read") : 0, lastSent(own, conversation));
    const next = Math.min(seq, headOf(conversation));
    if (!(next > now)) return now;
    begin();
    const other = "group" in peer ? undefined : this.#logs.find(app, KIND.account, peer.account);
    this.#move.run(own.id, conversation.id, other ? other.id : null, conversation.epoch, next);
    return next;
  }

  #ofGroup(app: string, account: Log | undefined, id: string): Log | ImError {
    const group = this.#groups.find(app, id);
    if (!group) return unknownGroup();
    if (account && this.#groups.has(group, account.id)) return group.log;
    return new ImError("UNAUTHORIZED", "Cannot read group: only its members read it");
  }
}

/** The last message that the account sent there, as far as its row still waits; 0: none. */
function lastSent(account: Log, conversation: Log): number {
  const sent = account.waiting.findLast((one) => one.sender === account.id && one.conversation === conversation.id);
  const room = conversation.waiting.findLast((one) => one.sender === account.id && one.form === "room");
  return Math.max(sent?.seq ?? 0, room?.seq ?? 0);
}
