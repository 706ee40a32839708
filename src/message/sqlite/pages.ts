import type { ConversationMessage, ConversationPage, HistoryPage, HistoryRange, Peer } from "../conversation_store.ts";
import type { Group } from "../group_store.ts";
import type { Head, InboxEntry, InboxMessage, InboxPage, StoredContent } from "../message_store.ts";
import { headOf } from "./logs.ts";
import { peerIn } from "./stored.ts";
import { headFrom, type Last, type Place, type View, type WaitingEntry } from "./views.ts";
import { Packer, type Unpacker } from "./wire.ts";
import type { Peeked } from "./writer.ts";

/** What the writer tells the calling thread of an account: head and epoch, and bytes that only the reader reads. */
export interface Peek {
  readonly pos: number;
  readonly trimmed: number;
  readonly epoch: bigint;
  readonly view: Uint8Array;
}

export function packPeeked(out: Packer, peeked: Peeked | undefined): void {
  out.u8(peeked ? 1 : 0);
  if (!peeked) return;
  const { log, rows } = peeked;
  out.num(headOf(log));
  out.num(log.trimmed);
  out.i64(log.epoch);
  const view = new Packer(64 + rows.length * 64);
  view.num(log.id);
  view.num(log.written);
  view.i32(rows.length);
  for (const { pos, stored } of rows) {
    view.num(pos);
    view.i64(stored.id);
    view.u8(stored.sender === log.id ? 1 : 0);
    view.num(peerIn(log.id, stored));
    view.num(stored.form === "pair" ? 0 : stored.conversation);
    view.i64(stored.sendTime);
    view.num(stored.conversation);
    view.num(stored.seq);
  }
  out.part(new Uint8Array(view.buffer, 0, view.length));
}

/** undefined: the writer knows nothing that the reader cannot see. */
export function readPeek(from: Unpacker): Peek | undefined {
  return from.u8() === 0 ? undefined : { pos: from.num(), trimmed: from.num(), epoch: from.i64(), view: from.part() };
}

export function packPeek(out: Packer, peek: Peek | undefined): void {
  out.u8(peek ? 1 : 0);
  if (!peek) return;
  out.num(peek.pos);
  out.num(peek.trimmed);
  out.i64(peek.epoch);
  out.part(peek.view);
}

/** The other end of packPeek. */
export function readView(from: Unpacker): View | undefined {
  if (from.u8() === 0) return undefined;
  const head = from.num(), trimmed = from.num(), epoch = String(from.i64());
  from.i32(); // length of the part
  const id = from.num(), written = from.num();
  const tail = Array.from({ length: from.i32() }, (): WaitingEntry => ({
    pos: from.num(),
    message: from.i64(),
    direction: from.u8() === 1 ? 1 : 0,
    peer: from.num(),
    group: from.num() || undefined,
    sendTime: from.i64(),
    conversation: from.num(),
    seq: from.num(),
  }));
  return { id, epoch, trimmed, written, head, tail };
}

export function packHead(out: Packer, head: Head): void {
  out.num(head.pos);
  out.num(head.trimmed ?? 0);
  out.text(head.epoch);
}

export function readHead(from: Unpacker): Head {
  return headFrom(from.num(), from.num(), from.text());
}

export function packPage<Row>(out: Packer, page: InboxPage<Row>, packRow: (out: Packer, row: Row) => void): void {
  packHead(out, page.head);
  out.num(page.scannedTo);
  out.i32(page.rows.length);
  for (const row of page.rows) packRow(out, row);
}

export function readPage<Row>(from: Unpacker, readRow: (from: Unpacker) => Row): InboxPage<Row> {
  const head = readHead(from), scannedTo = from.num();
  return { rows: Array.from({ length: from.i32() }, () => readRow(from)), head, scannedTo };
}

/** hot: per row of a page */
export function packEntry(out: Packer, row: InboxEntry): void {
  out.num(row.pos);
  out.i64(row.messageId);
  out.u8(row.direction);
  out.text(row.peer);
  out.text(row.group);
  out.i64(row.sendTime);
}

/** hot: per row of a page */
export function readEntry(from: Unpacker): InboxEntry {
  return {
    pos: from.num(),
    messageId: from.i64(),
    direction: from.u8() === 1 ? 1 : 0,
    peer: from.text(),
    group: from.text(),
    sendTime: from.i64(),
  };
}

export function packMessage(out: Packer, row: InboxMessage): void {
  packEntry(out, row);
  out.num(row.seq);
  out.i32(row.type);
  out.text(row.body);
  out.text(row.extra);
  out.text(row.sender);
  packMaybe(out, row.clientMsgId, (id) => out.text(id));
}

export function readMessage(from: Unpacker): InboxMessage {
  return {
    ...readEntry(from),
    seq: from.num(),
    type: from.i32(),
    body: from.text(),
    extra: from.text(),
    sender: from.text(),
    clientMsgId: readMaybe(from, () => from.text()),
  };
}

export function packContent(out: Packer, content: StoredContent): void {
  out.i64(content.messageId);
  out.i32(content.type);
  out.text(content.body);
  out.text(content.extra);
}

export function readContent(from: Unpacker): StoredContent {
  return { messageId: from.i64(), type: from.i32(), body: from.text(), extra: from.text() };
}

export function packPlaces(out: Packer, places: readonly Place[]): void {
  out.i32(places.length);
  for (const { conversation, earlier } of places) {
    out.num(conversation);
    out.num(earlier);
  }
}

export function readPlaces(from: Unpacker): Place[] {
  return Array.from({ length: from.i32() }, () => ({ conversation: from.num(), earlier: from.num() }));
}

/** Ends of conversations: their bytes go from the writer to the reader as they are. */
export function packLasts(out: Packer, lasts: ReadonlyMap<number, Last>): void {
  const part = new Packer(64 + lasts.size * 32);
  part.i32(lasts.size);
  for (const [log, { head, message, own, earlier }] of lasts) {
    part.num(log);
    part.num(head);
    part.i64(message);
    part.num(own);
    packMaybe(part, earlier, (id) => part.i64(id));
  }
  out.part(new Uint8Array(part.buffer, 0, part.length));
}

export function readLasts(from: Unpacker): Map<number, Last> {
  from.i32(); // length of the part
  const lasts = new Map<number, Last>();
  for (let left = from.i32(); left > 0; left--) {
    lasts.set(from.num(), {
      head: from.num(),
      message: from.i64(),
      own: from.num(),
      earlier: readMaybe(from, () => from.i64()),
    });
  }
  return lasts;
}

/** hot: per row of a history */
function packRow(out: Packer, row: ConversationMessage): void {
  out.num(row.seq);
  out.i64(row.messageId);
  out.text(row.sender);
  out.i32(row.type);
  out.text(row.body);
  out.text(row.extra);
  out.i64(row.sendTime);
  packMaybe(out, row.clientMsgId, (id) => out.text(id));
}

function readRow(from: Unpacker): ConversationMessage {
  return {
    seq: from.num(),
    messageId: from.i64(),
    sender: from.text(),
    type: from.i32(),
    body: from.text(),
    extra: from.text(),
    sendTime: from.i64(),
    clientMsgId: readMaybe(from, () => from.text()),
  };
}

export function packHistoryRange(out: Packer, range: HistoryRange): void {
  const down = "before" in range;
  out.u8(down ? 1 : 0);
  out.num(down ? range.before : range.after);
  out.num(range.limit);
}

export function readHistoryRange(from: Unpacker): HistoryRange {
  const down = from.u8() === 1, edge = from.num(), limit = from.num();
  return down ? { before: edge, limit } : { after: edge, limit };
}

export function packHistory(out: Packer, page: HistoryPage): void {
  out.num(page.first);
  out.num(page.head);
  out.i32(page.rows.length);
  for (const row of page.rows) packRow(out, row);
}

export function readHistory(from: Unpacker): HistoryPage {
  const first = from.num(), head = from.num();
  return { rows: Array.from({ length: from.i32() }, () => readRow(from)), first, head };
}

export function packConversations(out: Packer, page: ConversationPage): void {
  packMaybe(out, page.next, (next) => out.text(next));
  out.i32(page.conversations.length);
  for (const one of page.conversations) {
    out.text(JSON.stringify(one.peer));
    out.num(one.head);
    packMaybe(out, one.last, (last) => packRow(out, last));
    out.num(one.read);
    out.num(one.unread);
    packMaybe(out, one.group, (group) => packGroup(out, group));
  }
}

export function readConversations(from: Unpacker): ConversationPage {
  const next = readMaybe(from, () => from.text());
  const conversations = Array.from({ length: from.i32() }, () => ({
    peer: JSON.parse(from.text()) as Peer, // written by packConversations of this build
    head: from.num(),
    last: readMaybe(from, () => readRow(from)),
    read: from.num(),
    unread: from.num(),
    group: readMaybe(from, () => readGroup(from)),
  }));
  return { conversations, next };
}

export function packGroup(out: Packer, group: Group): void {
  out.text(JSON.stringify(group));
}

export function readGroup(from: Unpacker): Group {
  const group = JSON.parse(from.text()) as Group; // written by packGroup of this build
  return { ...group, largeFrom: group.largeFrom };
}

/** A value or its absence. */
export function packMaybe<Value>(out: Packer, value: Value | undefined, pack: (value: Value) => void): void {
  out.u8(value === undefined ? 0 : 1);
  if (value !== undefined) pack(value);
}

export function readMaybe<Value>(from: Unpacker, read: () => Value): Value | undefined {
  return from.u8() === 0 ? undefined : read();
}
