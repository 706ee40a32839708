import type { DatabaseSync, StatementSync } from "node:sqlite";
import { ImError } from "../../base/errors.ts";
import type {
  Conversation,
  ConversationMessage,
  ConversationPage,
  HistoryPage,
  HistoryRange,
  Peer,
} from "../conversation_store.ts";
import type { GroupReader, Stay } from "./group_reader.ts";
import { unknownGroup } from "./groups.ts";
import type { Names } from "./names.ts";
import { big, int, maybeText, MESSAGE_COLUMNS, type Row, text } from "./rows.ts";
import { KIND } from "./schema.ts";
import type { Last, Place, View } from "./views.ts";

const EVERYTHING: readonly Stay[] = [{ after: 0, upTo: Infinity }];
const MOST_UNREAD = 1_000;

/** A conversation of an account, as its list has it. */
interface Line {
  readonly conversation: number;
  /** undefined: a group. */
  readonly peer: number | undefined;
  readonly since: bigint;
  read: number;
}

/** A line with what is behind it, for sorting. */
interface Candidate {
  readonly line: Line;
  readonly head: number;
  readonly trimmed: number;
  /** The account sees messages above. */
  readonly after: number;
  readonly last: bigint | undefined;
  readonly activity: bigint;
}

/** Conversations by seq, on the reader's connection. */
export class ConversationReader {
  readonly #names: Names;
  readonly #groups: GroupReader;
  readonly #selectUp: StatementSync;
  readonly #selectDown: StatementSync;
  readonly #selectMessage: StatementSync;
  readonly #selectLines: StatementSync;
  readonly #selectLog: StatementSync;
  readonly #selectHead: StatementSync;
  readonly #selectAt: StatementSync;

  constructor(db: DatabaseSync, names: Names, groups: GroupReader) {
    this.#names = names;
    this.#groups = groups;
    const big64 = (sql: string) => {
      const statement = db.prepare(sql);
      statement.setReadBigInts(true);
      return statement;
    };
    const rows = "SELECT pos, message FROM entries WHERE log = ? AND pos > ? AND pos <= ? ORDER BY pos";
    this.#selectUp = big64(`${rows} LIMIT ?`);
    this.#selectDown = big64(`${rows} DESC LIMIT ?`);
    this.#selectMessage = big64(`SELECT ${MESSAGE_COLUMNS} FROM messages WHERE id = ?`);
    this.#selectLines = big64("SELECT conversation, peer, since, read FROM conversations WHERE account = ?");
    this.#selectLog = big64("SELECT trimmed FROM logs WHERE id = ?");
    this.#selectHead = big64("SELECT pos FROM entries WHERE log = ? ORDER BY pos DESC LIMIT 1");
    this.#selectAt = big64("SELECT message FROM entries WHERE log = ? AND pos = ?");
  }

  /** @param view of the conversation. @throws {ImError} INVALID_BODY, UNAUTHORIZED */
  history(app: string, account: string, peer: Peer, range: HistoryRange, view: View | undefined): HistoryPage {
    return this.#page(view, "group" in peer ? this.#staysIn(app, account, peer.group) : EVERYTHING, range);
  }

  /** @throws {ImError} INVALID_BODY */
  roomMessages(app: string, group: string, range: HistoryRange, view: View | undefined): HistoryPage {
    if (this.#groups.log(app, KIND.group, group) === undefined) throw unknownGroup();
    return this.#page(view, EVERYTHING, range);
  }

  /** All conversations of an account. @param own its inbox: new pairs may wait there. */
  places(app: string, account: string, own: View | undefined): Place[] {
    const id = this.#groups.log(app, KIND.account, account);
    if (id === undefined) return [];
    return Array.from(this.#lines(id, own).values(), ({ conversation, peer }) => {
      const stays = peer === undefined ? this.#groups.stays(conversation, id) : [];
      return { conversation, earlier: lastSeen(stays.slice(0, -1), Infinity) };
    });
  }

  /** @param lasts by conversation, for those with waiting rows. @throws {ImError} INVALID_BODY */
  conversations(
    app: string,
    account: string,
    own: View | undefined,
    lasts: ReadonlyMap<number, Last>,
    from: string | undefined,
    limit: number,
  ): ConversationPage {
    const before = cursorOf(from);
    const id = this.#groups.log(app, KIND.account, account);
    if (id === undefined) return { conversations: [], next: undefined };
    const all: Candidate[] = [];
    for (const line of this.#lines(id, own).values()) {
      const one = this.#candidate(id, line, lasts.get(line.conversation));
      if (one && (!before || isBefore(one, before))) all.push(one);
    }
    all.sort((a, b) => isBefore(a, cursorAt(b)) ? 1 : -1);
    const shown = all.slice(0, limit), last = shown.at(-1);
    return {
      conversations: shown.map((one) => this.#shown(one)),
      next: all.length > limit && last ? `${last.activity}.${last.line.conversation}` : undefined,
    };
  }

  #staysIn(app: string, account: string, id: string): Stay[] {
    const group = this.#groups.log(app, KIND.group, id);
    if (group === undefined) throw unknownGroup();
    const log = this.#groups.log(app, KIND.account, account);
    const stays = log === undefined ? [] : this.#groups.stays(group, log);
    if (stays.at(-1)?.upTo === Infinity) return stays;
    throw new ImError("UNAUTHORIZED", "Cannot read group: only its members read it");
  }

  #page(view: View | undefined, stays: readonly Stay[], range: HistoryRange): HistoryPage {
    if (!view) return { rows: [], first: 1, head: 0 };
    const { head, trimmed } = view;
    const seen = stays
      .map((stay) => ({ after: Math.max(stay.after, trimmed), upTo: Math.min(stay.upTo, head) }))
      .filter(({ after, upTo }) => after < upTo);
    const found: { seq: number; message: bigint }[] = [];
    if ("before" in range) {
      for (const { after, upTo } of seen.reverse()) {
        found.push(...this.#down(view, after, Math.min(upTo, range.before - 1), range.limit - found.length));
      }
      found.reverse();
      seen.reverse();
    } else {
      for (const { after, upTo } of seen) {
        found.push(...this.#up(view, Math.max(after, range.after), upTo, range.limit - found.length));
      }
    }
    const rows = found.map(({ seq, message }) => this.#message(seq, message)).filter((row) => row !== undefined);
    return { rows, first: (seen[0]?.after ?? head) + 1, head };
  }

  #up(view: View, after: number, upTo: number, limit: number): { seq: number; message: bigint }[] {
    if (limit <= 0 || after >= upTo) return [];
    const rows = this.#selectUp.all(view.id, after, Math.min(upTo, view.written), limit).map(placeOf);
    for (const { pos, message } of view.tail) {
      if (pos > after && pos <= upTo && rows.length < limit) rows.push({ seq: pos, message });
    }
    return rows;
  }

  #down(view: View, after: number, upTo: number, limit: number): { seq: number; message: bigint }[] {
    if (limit <= 0 || after >= upTo) return [];
    const waiting = view.tail.filter(({ pos }) => pos > after && pos <= upTo).slice(-limit).reverse();
    const rows = waiting.map(({ pos, message }) => ({ seq: pos, message }));
    const left = limit - rows.length;
    if (left > 0) rows.push(...this.#selectDown.all(view.id, after, Math.min(upTo, view.written), left).map(placeOf));
    return rows;
  }

  #message(seq: number, messageId: bigint): ConversationMessage | undefined {
    const row = this.#selectMessage.get(messageId);
    return row && {
      seq,
      messageId,
      sender: this.#names.get(int(row, "sender")),
      type: int(row, "type"),
      body: text(row, "body"),
      extra: text(row, "extra"),
      sendTime: big(row, "send_time"),
      clientMsgId: maybeText(row, "client_msg_id"),
    };
  }

  /** What the table has, and what follows from rows of the inbox that wait. */
  #lines(account: number, own: View | undefined): Map<number, Line> {
    const lines = new Map<number, Line>();
    for (const row of this.#selectLines.all(account)) {
      const peer = row["peer"] === null ? undefined : int(row, "peer");
      const conversation = int(row, "conversation");
      lines.set(conversation, { conversation, peer, since: big(row, "since"), read: int(row, "read") });
    }
    for (const { conversation, peer, group, message, direction, seq } of own?.tail ?? []) {
      let line = lines.get(conversation);
      if (!line) {
        line = { conversation, peer: group === undefined ? peer : undefined, since: message, read: 0 };
        lines.set(conversation, line);
      }
      if (direction === 1) line.read = Math.max(line.read, seq);
    }
    return lines;
  }

  /** undefined: a group that the account is not in now. */
  #candidate(account: number, line: Line, waiting: Last | undefined): Candidate | undefined {
    const { conversation, since } = line;
    const stays = line.peer === undefined ? this.#groups.stays(conversation, account) : EVERYTHING;
    const now = stays.at(-1);
    if (!now || now.upTo !== Infinity) return undefined;
    const trimmed = int(this.#selectLog.get(conversation) ?? {}, "trimmed");
    const head = waiting?.head ?? intOr(this.#selectHead.get(conversation), "pos", trimmed);
    if (waiting) line.read = Math.max(line.read, waiting.own);
    const seq = lastSeen(stays, head);
    const last = seq > trimmed ? this.#idAt(conversation, seq, waiting) : undefined;
    const activity = last !== undefined && last > since ? last : since;
    return { line, head, trimmed, after: now.after, last, activity };
  }

  #idAt(conversation: number, seq: number, waiting: Last | undefined): bigint | undefined {
    if (waiting && seq === waiting.head) return waiting.message;
    const row = this.#selectAt.get(conversation, seq);
    return row ? big(row, "message") : waiting?.earlier;
  }

  #shown({ line, head, trimmed, after, last }: Candidate): Conversation {
    const { conversation, peer, read } = line;
    const message = last === undefined ? undefined : this.#selectMessage.get(last);
    const group = peer === undefined ? this.#groups.group(conversation, head) : undefined;
    return {
      peer: group ? { group: group.id } : { account: this.#names.get(peer ?? 0) },
      head,
      last: message && last !== undefined ? this.#message(int(message, "seq"), last) : undefined,
      read,
      unread: Math.min(MOST_UNREAD, Math.max(0, head - Math.max(read, after, trimmed))),
      group,
    };
  }
}

interface Cursor {
  readonly activity: bigint;
  readonly conversation: number;
}

function cursorOf(from: string | undefined): Cursor | undefined {
  if (from === undefined) return undefined;
  const [, activity, conversation] = /^(\d{1,19})\.(\d{1,15})$/.exec(from) ?? [];
  if (activity === undefined) throw new ImError("INVALID_BODY", "Cannot list conversations: no page starts there");
  return { activity: BigInt(activity), conversation: Number(conversation) };
}

function cursorAt({ activity, line }: Candidate): Cursor {
  return { activity, conversation: line.conversation };
}

/** Is its last activity before that place of the list? */
function isBefore({ activity, line }: Candidate, cursor: Cursor): boolean {
  return activity === cursor.activity ? line.conversation < cursor.conversation : activity < cursor.activity;
}

function placeOf(row: Row): { seq: number; message: bigint } {
  return { seq: int(row, "pos"), message: big(row, "message") };
}

/** The highest seq up to the head that was seen in one of these stays, 0 for none. */
function lastSeen(stays: readonly Stay[], head: number): number {
  let last = 0;
  for (const { after, upTo } of stays) {
    const end = Math.min(head, upTo);
    if (end > after) last = end;
  }
  return last;
}

function intOr(row: Row | undefined, column: string, otherwise: number): number {
  return row ? int(row, column) : otherwise;
}
