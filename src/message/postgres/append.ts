import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Counter } from "../../base/metrics.ts";
import type { MonotonicNs } from "../../base/monotonic_ns.ts";
import type { Snowflake } from "../../id/snowflake.ts";
import type { Appended, AppendRequest, AppendResult } from "../message_store.ts";
import { ints, utf8s } from "./arrays.ts";
import { KnownClientIds, type KnownMessage } from "./client_ids.ts";
import type { Tx } from "./database.ts";
import { firstAnswers } from "./first_answers.ts";
import { GroupSends } from "./group_sends.ts";
import { KIND, pairName, takeNumbers, type Taking, Takings } from "./names.ts";
import { Overtaken } from "./overtaken.ts";
import { Scopes } from "./scopes.ts";

/** Rows one transaction writes at most, but for a single group message. */
const MOST_ROWS = 4_000;

export interface AppendDeps {
  readonly clock: Clock;
  readonly ids: Snowflake;
  readonly times: MonotonicNs;
  /** Counts batches that waited for another transaction. */
  readonly lockWaits: Counter;
  readonly fault: (place: "statement") => void;
}

/** A message that is stored by this transaction. */
interface Fresh {
  readonly request: AppendRequest;
  readonly id: bigint;
  readonly conversation: Taking;
  /** Of the sender; in a large group it gets no number. */
  readonly sender: Taking;
  readonly receiver: Taking | undefined;
  /** Of a group with inbox rows. */
  readonly members: readonly Taking[] | undefined;
  readonly room: boolean;
  sendTime: bigint;
  seq: number;
  senderPos: number;
  receiverPos: number;
  positions: readonly number[];
}

/** What became of a request: an error, a message of this transaction, or one of an earlier request. */
type Decision = ImError | Fresh | { readonly of: Fresh } | KnownMessage | { readonly id: bigint };

/**
 * One batch as one transaction. Rows are locked in one order everywhere: scopes, groups, pairs, accounts; so two
 * processes wait for each other but never in a circle. Gives an answer for the first requests of the batch, as many as
 * fit MOST_ROWS.
 */
export async function appendBatch(tx: Tx, batch: readonly AppendRequest[], deps: AppendDeps): Promise<AppendResult[]> {
  const [scopes, clientIds, groups] = await Promise.all([
    Scopes.lock(tx, batch.map((one) => one.key)),
    KnownClientIds.read(tx, batch, deps.clock.now()),
    GroupSends.lock(tx, batch),
  ]);
  const plan = new Plan(deps, scopes, clientIds, groups, await Overtaken.read(tx, batch, scopes));
  for (const request of batch) if (!plan.take(request)) break;
  await plan.write(tx);
  return await plan.answers(tx);
}

class Plan {
  readonly #deps: AppendDeps;
  readonly #scopes: Scopes;
  readonly #clientIds: KnownClientIds;
  readonly #groups: GroupSends;
  readonly #overtaken: Overtaken;
  readonly #pairs = new Takings(KIND.pair);
  readonly #rooms = new Takings(KIND.group);
  readonly #accounts = new Takings(KIND.account);
  readonly #decisions: Decision[] = [];
  readonly #fresh: Fresh[] = [];
  readonly #byClient = new Map<string, Fresh>();
  readonly #byId = new Map<bigint, Fresh>();
  readonly #nowMs: number;
  #rows = 0;

  constructor(deps: AppendDeps, scopes: Scopes, clientIds: KnownClientIds, groups: GroupSends, overtaken: Overtaken) {
    this.#deps = deps;
    this.#scopes = scopes;
    this.#clientIds = clientIds;
    this.#groups = groups;
    this.#overtaken = overtaken;
    this.#nowMs = deps.clock.mono();
  }

  /** False: no room for it in this transaction. */
  take(request: AppendRequest): boolean {
    const decision = this.#known(request) ?? this.#refusal(request);
    if (decision) {
      if (decision instanceof ImError && request.again && request.key) this.#scopes.refuse(request.key);
      this.#decisions.push(decision);
      return true;
    }
    const rows = request.group ? 1 + (this.#groups.members(request)?.length ?? 0) : 3;
    if (this.#rows > 0 && this.#rows + rows > MOST_ROWS) return false;
    this.#rows += rows;
    this.#decisions.push(this.#store(request));
    return true;
  }

  async write(tx: Tx): Promise<void> {
    const fresh = this.#fresh;
    if (fresh.length === 0) return await this.#scopes.save(tx);
    this.#deps.fault("statement");
    const epoch = fresh[0]!.id;
    const logs = [this.#rooms, this.#pairs, this.#accounts];
    await takeNumbers(tx, logs, epoch);
    if (logs.some((takings) => takings.waited)) this.#deps.lockWaits.inc();
    await this.#number(tx);
    await Promise.all([
      this.#writeMessages(tx),
      this.#writeEntries(tx),
      this.#writeConversations(tx),
      this.#clientIds.save(tx, fresh.map((one) => ({ ...one, ...one.request, account: one.sender.id }))),
      this.#scopes.save(tx),
    ]);
  }

  async answers(sql: Tx): Promise<AppendResult[]> {
    const ids = this.#decisions.flatMap((one) => "id" in one && !("request" in one) ? [one.id] : []);
    const known = ids.length > 0 ? await firstAnswers(sql, ids) : undefined;
    return this.#decisions.map((one) => {
      if (one instanceof ImError) return one;
      if ("of" in one) return answerOf(one.of, true);
      if ("request" in one) return answerOf(one, false);
      return known?.get(one.id) ?? new ImError("SYSTEM", "Cannot answer: what the request stored was removed");
    });
  }

  /** The first answer of a request that came before, in this batch or earlier. */
  #known(request: AppendRequest): Decision | undefined {
    const { key, clientMsgId } = request;
    const byKey = key && this.#scopes.find(key, "store message");
    if (byKey instanceof ImError) return byKey;
    if (byKey !== undefined) {
      const fresh = this.#byId.get(byKey);
      return fresh ? { of: fresh } : { id: byKey };
    }
    if (clientMsgId === undefined) return undefined;
    const twin = this.#byClient.get(`${request.app}/${request.sender}/${clientMsgId}`);
    const before = twin ? twin.request : this.#clientIds.find(request);
    if (!before) return undefined;
    const same = before.dest === request.dest && (before.group ?? false) === (request.group ?? false) &&
      before.type === request.type && before.body === request.body && before.extra === request.extra;
    if (!same) return new ImError("DUPLICATE_ID", "Cannot store message: its client id stands for another content");
    return twin ? { of: twin } : before as KnownMessage;
  }

  #refusal(request: AppendRequest): ImError | undefined {
    if (request.startBy < this.#nowMs) return new ImError("BUSY", "Cannot store message: too late to start");
    if (this.#overtaken.has(request, this.#byId)) {
      return new ImError("BUSY", "Cannot store message: later ones are stored");
    }
    return request.group ? this.#groups.refusal(request) : undefined;
  }

  #store(request: AppendRequest): Fresh {
    const { app, sender, dest, key, clientMsgId, group } = request;
    const members = group ? this.#groups.members(request) : undefined;
    const room = group === true && members === undefined;
    const fresh: Fresh = {
      request,
      id: this.#deps.ids.next(),
      conversation: group ? this.#rooms.take(app, dest) : this.#pairs.take(app, pairName(sender, dest)),
      sender: this.#accounts.take(app, sender, group ? 0 : 1),
      receiver: group ? undefined : this.#accounts.take(app, dest, dest === sender ? 0 : 1),
      members: members?.map((name) => this.#accounts.take(app, name)),
      room,
      sendTime: this.#deps.times.next(),
      seq: 0,
      senderPos: 0,
      receiverPos: 0,
      positions: [],
    };
    fresh.conversation.lastTime = fresh.sendTime;
    if (key) this.#scopes.add(key, fresh.id);
    if (clientMsgId !== undefined) this.#byClient.set(`${app}/${sender}/${clientMsgId}`, fresh);
    this.#byId.set(fresh.id, fresh);
    this.#fresh.push(fresh);
    return fresh;
  }

  /** Gives every message its numbers, now that the heads are known and locked. */
  async #number(tx: Tx): Promise<void> {
    const given = new Map<Taking, number>();
    const next = (log: Taking): number => {
      const number = given.get(log) ?? log.before;
      given.set(log, number + 1);
      return number + 1;
    };
    for (const one of this.#fresh) {
      one.seq = next(one.conversation);
      if (one.members) {
        one.positions = one.members.map(next);
        one.senderPos = one.positions[one.members.indexOf(one.sender)] ?? 0;
      } else if (one.receiver) {
        one.senderPos = next(one.sender);
        one.receiverPos = one.receiver === one.sender ? one.senderPos : next(one.receiver);
      }
    }
    await this.#mendTimes(tx);
  }

  /** Another process with a faster clock may have written to a conversation: times must not go back there. */
  async #mendTimes(tx: Tx): Promise<void> {
    const latest = this.#fresh.reduce(
      (most, { conversation: { timeBefore } }) => timeBefore > most ? timeBefore : most,
      0n,
    );
    if (this.#fresh.every((one) => one.sendTime > one.conversation.timeBefore)) return;
    this.#deps.times.raise(latest);
    for (const one of this.#fresh) one.conversation.lastTime = one.sendTime = this.#deps.times.next();
    const logs = [...new Set(this.#fresh.map((one) => one.conversation))];
    await tx`UPDATE logs SET last_time = q.t FROM unnest(${ints(logs.map((log) => log.id))}::int4[],
      ${ints(logs.map((log) => log.lastTime))}::int8[]) AS q (l, t) WHERE id = q.l`;
  }

  async #writeMessages(tx: Tx): Promise<void> {
    const all = this.#fresh;
    await tx`INSERT INTO messages (id, conversation, seq, sender, sender_pos, receiver, receiver_pos, type, body, extra,
        send_time, client_msg_id)
      SELECT * FROM unnest(${ints(all.map((one) => one.id))}::int8[], ${
      ints(all.map((one) => one.conversation.id))
    }::int4[],
        ${ints(all.map((one) => one.seq))}::int4[], ${ints(all.map((one) => one.sender.id))}::int4[],
        ${ints(all.map((one) => one.senderPos))}::int4[], ${ints(all.map((one) => one.receiver?.id))}::int4[],
        ${ints(all.map((one) => one.receiver ? one.receiverPos : undefined))}::int4[],
        ${ints(all.map((one) => one.request.type))}::int4[], ${utf8s(all.map((one) => one.request.body))}::bytea[],
        ${utf8s(all.map((one) => one.request.extra))}::bytea[], ${ints(all.map((one) => one.sendTime))}::int8[],
        ${utf8s(all.map((one) => one.request.clientMsgId))}::bytea[])`;
  }

  async #writeEntries(tx: Tx): Promise<void> {
    const logs: number[] = [], positions: number[] = [], messages: bigint[] = [], directions: number[] = [];
    const peers: number[] = [], groups: (number | undefined)[] = [], times: bigint[] = [];
    const add = (one: Fresh, log: Taking, pos: number, direction: number, peer: Taking, group: number | undefined) => {
      logs.push(log.id);
      positions.push(pos);
      messages.push(one.id);
      directions.push(direction);
      peers.push(peer.id);
      groups.push(group);
      times.push(one.sendTime);
    };
    for (const one of this.#fresh) {
      const { sender, receiver, members } = one;
      if (receiver) {
        add(one, sender, one.senderPos, 1, receiver, undefined);
        if (receiver !== sender) add(one, receiver, one.receiverPos, 0, sender, undefined);
      }
      for (const [i, member] of (members ?? []).entries()) {
        add(one, member, one.positions[i]!, member === sender ? 1 : 0, sender, one.conversation.id);
      }
    }
    if (logs.length === 0) return;
    await tx`INSERT INTO entries (log, pos, message, direction, peer, grp, send_time)
      SELECT * FROM unnest(${ints(logs)}::int4[], ${ints(positions)}::int4[], ${ints(messages)}::int8[],
        ${ints(directions)}::int2[], ${ints(peers)}::int4[], ${ints(groups)}::int4[], ${ints(times)}::int8[])`;
  }

  /**
   * Who writes has read what is there. A pair that talks for the first time appears in both accounts' lists; a group did
   * when its members joined.
   */
  async #writeConversations(tx: Tx): Promise<void> {
    const lines = new Map<string, { account: number; conversation: number; other: number; read: number }>();
    const add = (account: Taking, conversation: Taking, other: Taking, read: number) => {
      const line = { account: account.id, conversation: conversation.id, other: other.id, read };
      lines.set(`${line.account},${line.conversation}`, line);
    };
    for (const { conversation, sender, receiver, seq } of this.#fresh) {
      if (receiver && seq === 1) add(receiver, conversation, sender, 0);
      add(sender, conversation, receiver ?? conversation, seq);
    }
    const all = [...lines.values()].sort((a, b) => a.account - b.account || a.conversation - b.conversation);
    await tx`INSERT INTO conversations (account, conversation, other, read)
      SELECT * FROM unnest(${ints(all.map((one) => one.account))}::int4[],
        ${ints(all.map((one) => one.conversation))}::int4[], ${ints(all.map((one) => one.other))}::int4[],
        ${ints(all.map((one) => one.read))}::int4[])
      ON CONFLICT (account, conversation) DO UPDATE SET read = greatest(conversations.read, excluded.read)`;
  }
}

function answerOf(one: Fresh, duplicate: boolean): Appended {
  const { id: messageId, sendTime, seq, senderPos, receiverPos } = one;
  const numbers = { messageId, sendTime, seq, senderPos, receiverPos, duplicate };
  if (one.room) return { ...numbers, room: true };
  if (!one.members) return numbers;
  const fan = one.members.map(({ id, name: account }, i) => ({ id, account, pos: one.positions[i]! }));
  return { ...numbers, fan: fan.sort((a, b) => a.id - b.id).map(({ account, pos }) => ({ account, pos })) };
}
