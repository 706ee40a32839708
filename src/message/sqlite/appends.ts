import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { MonotonicNs } from "../../base/monotonic_ns.ts";
import { snowflakeMs } from "../../id/snowflake.ts";
import { type ClientIds, isForgotten, readRemoved, sameContent } from "./client_ids.ts";
import { eachInFan, Fan } from "./fan.ts";
import type { Faults } from "./faults.ts";
import { type Groups, type KnownGroup, unknownGroup } from "./groups.ts";
import { answered, type Keys } from "./keys.ts";
import { headOf, type Log, type Logs } from "./logs.ts";
import { type Answer, type Stored, storedOf } from "./stored.ts";
import type { Write } from "./messages.ts";
import { int, maybeBytes, MESSAGE_COLUMNS, text } from "./rows.ts";
import { KIND, pairName } from "./schema.ts";
import type { Tail } from "./tail.ts";

export interface AppendsDeps {
  readonly db: DatabaseSync;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly logs: Logs;
  readonly groups: Groups;
  readonly tail: Tail;
  readonly clientIds: ClientIds;
  readonly keys: Keys;
  readonly times: MonotonicNs;
  readonly nextId: () => bigint;
  /** Begins the transaction, unless it has begun. */
  readonly begin: () => void;
}

/** Recognises requests that come again, and stores messages. */
export class Appends {
  readonly #deps: AppendsDeps;
  readonly #insertMessage: StatementSync;
  readonly #selectMessage: StatementSync;
  readonly #selectFan: StatementSync;

  constructor(deps: AppendsDeps) {
    const { db } = this.#deps = deps;
    this.#insertMessage = db.prepare(
      `INSERT INTO messages (id, conversation, seq, sender, sender_pos, receiver, receiver_pos, type, body, extra,
         send_time, key_scope, key_n, client_msg_id, fan) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#selectMessage = db.prepare(`SELECT ${MESSAGE_COLUMNS} FROM messages WHERE id = ?`);
    this.#selectMessage.setReadBigInts(true);
    this.#selectFan = db.prepare("SELECT fan FROM messages WHERE id = ?");
  }

  /** The first answer of a request that came before. */
  known(write: Write): Answer | ImError | undefined {
    const { key, clientMsgId } = write;
    const byKey = key && this.#deps.keys.find(key);
    if (byKey instanceof ImError) return byKey;
    if (byKey) return typeof byKey === "object" && "seq" in byKey ? this.#again(byKey) : answered(key);
    return clientMsgId === undefined ? undefined : this.#knownByClient(write, clientMsgId);
  }

  /** Why a new one is not stored now. hot: per message */
  refusal({ app, sender, key, again, late }: Write): ImError | undefined {
    if (late) return new ImError("BUSY", "Cannot store message: too late to start");
    if (!again || !key) return undefined;
    // It was refused before. Behind later ones of its channel it would be out of order.
    const log = this.#deps.logs.find(app, KIND.account, sender);
    if (!log || !this.#deps.keys.isOvertaken(key, log.id)) return undefined;
    return new ImError("BUSY", "Cannot store message: later ones are stored");
  }

  /** @param jobMs monotonic, for the memory of keys. hot: per message */
  store(write: Write, jobMs: number): Answer | ImError {
    const group = write.group ? this.#groupOf(write) : undefined;
    if (group instanceof ImError) return group;
    this.#deps.begin();
    this.#deps.faults.at("statement");
    const answer = group ? this.#storeInGroup(write, group) : { stored: this.#storePair(write), duplicate: false };
    this.#deps.keys.add(write.key, answer.stored, jobMs);
    return answer;
  }

  #knownByClient(write: Write, clientMsgId: string): Answer | ImError | undefined {
    const { logs, clientIds, clock } = this.#deps;
    const sender = logs.find(write.app, KIND.account, write.sender);
    if (!sender) return undefined;
    const waiting = sender.clientIds?.get(clientMsgId);
    const known = waiting ? { message: waiting.id, removed: undefined } : clientIds.find(sender.id, clientMsgId);
    if (!known || isForgotten(snowflakeMs(known.message), clock.now())) return undefined;
    const row = this.#selectMessage.get(known.message);
    if (!row && !known.removed) return undefined; // removed when its id was to be forgotten; the clock went back since
    const stored = row ? storedOf(row) : readRemoved(known.message, known.removed!);
    const dest = logs.find(write.app, write.group ? KIND.group : KIND.account, write.dest)?.id;
    const same = (write.group ? stored.conversation === dest && stored.form !== "pair" : stored.receiver === dest) &&
      (row
        ? int(row, "type") === write.type && text(row, "body") === write.body && text(row, "extra") === write.extra
        : sameContent(known.removed!, write));
    if (same) return this.#again(stored);
    return new ImError("DUPLICATE_ID", "Cannot store message: its client id stands for another content");
  }

  #again(stored: Stored): Answer {
    if (stored.form !== "fan") return { stored, duplicate: true };
    const row = this.#selectFan.get(stored.id);
    const bytes = row && maybeBytes(row, "fan");
    if (!bytes) return { stored, duplicate: true };
    const names: string[] = [];
    eachInFan(bytes, (log) => names.push(this.#deps.logs.get(log).name));
    return { stored, duplicate: true, fan: { names, bytes } };
  }

  #groupOf({ app, dest, sender }: Write): KnownGroup | ImError {
    const { groups, logs } = this.#deps;
    const group = groups.find(app, dest);
    if (!group) return unknownGroup();
    const account = logs.find(app, KIND.account, sender);
    if (account && groups.has(group, account.id)) return group;
    return new ImError("UNAUTHORIZED", "Cannot store message: only members of a group write to it");
  }

  /** hot: per message */
  #storePair(write: Write): Stored {
    const { logs, tail, times, nextId } = this.#deps;
    const { app } = write, id = nextId();
    const sender = logs.obtain(app, KIND.account, write.sender, id);
    const receiver = write.dest === write.sender ? sender : logs.obtain(app, KIND.account, write.dest, id);
    const conversation = logs.obtain(app, KIND.pair, pairName(write.sender, write.dest), id);
    const stored: Stored = {
      id,
      sendTime: times.next(),
      conversation: conversation.id,
      seq: headOf(conversation) + 1,
      sender: sender.id,
      senderPos: headOf(sender) + 1,
      receiver: receiver.id,
      receiverPos: headOf(receiver) + 1,
      clientMsgId: write.clientMsgId,
      form: "pair",
    };
    this.#insert(write, stored, null);
    tail.add(sender, stored);
    if (receiver !== sender) tail.add(receiver, stored);
    tail.add(conversation, stored);
    return stored;
  }

  /** hot: per group message */
  #storeInGroup(write: Write, group: KnownGroup): Answer {
    const { logs, groups, tail, clientIds, times, nextId } = this.#deps;
    const large = group.largeFrom !== undefined;
    const conversation = group.log;
    const sender = logs.obtain(write.app, KIND.account, write.sender, 0n);
    const stored: Stored = {
      id: nextId(),
      sendTime: times.next(),
      conversation: conversation.id,
      seq: headOf(conversation) + 1,
      sender: sender.id,
      senderPos: large ? 0 : headOf(sender) + 1,
      receiver: 0,
      receiverPos: 0,
      clientMsgId: write.clientMsgId,
      form: large ? "room" : "fan",
    };
    const fan = large ? undefined : this.#fanOut(group, stored);
    this.#insert(write, stored, fan ? fan.bytes : null);
    tail.add(conversation, stored);
    if (large && stored.clientMsgId !== undefined) clientIds.add(stored); // nobody's log will bring it
    if (!fan) return { stored, duplicate: false };
    group.names ??= Array.from(group.members.values(), (one) => groups.fresh(group, one).name);
    return { stored, duplicate: false, fan: { names: group.names, bytes: fan.bytes } };
  }

  #fanOut(group: KnownGroup, stored: Stored): Fan {
    const { groups, tail } = this.#deps;
    const fan = new Fan(group.members.size);
    for (const member of group.members.values()) {
      const log: Log = groups.fresh(group, member);
      fan.add(log.id, headOf(log) + 1);
      tail.add(log, stored);
    }
    return fan;
  }

  #insert(write: Write, stored: Stored, fan: Uint8Array | null): void {
    const { key } = write, pair = stored.form === "pair";
    this.#insertMessage.run(
      stored.id,
      stored.conversation,
      stored.seq,
      stored.sender,
      stored.senderPos,
      pair ? stored.receiver : null,
      pair ? stored.receiverPos : null,
      write.type,
      write.body,
      write.extra,
      stored.sendTime,
      key ? key.scope : null,
      key ? key.n : null,
      stored.clientMsgId ?? null,
      fan,
    );
  }
}
