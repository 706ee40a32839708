import type { Head, InboxEntry, InboxMessage, InboxPage, StoredContent } from "../message_store.ts";
import type { Entry, View } from "./reader.ts";
import { Packer, type Unpacker } from "./wire.ts";
import type { Peeked } from "./writer.ts";

/** What the writer tells the calling thread of an account: head and epoch, and bytes that only the reader reads. */
export interface Peek {
  readonly pos: number;
  readonly epoch: bigint;
  readonly view: Uint8Array;
}

export function packPeeked(out: Packer, peeked: Peeked | undefined): void {
  out.u8(peeked ? 1 : 0);
  if (!peeked) return;
  const { log, rows } = peeked;
  out.num(log.written + log.waiting.length);
  out.i64(log.epoch);
  const view = new Packer(64 + rows.length * 40);
  view.num(log.id);
  view.num(log.written);
  view.i32(rows.length);
  for (const { pos, stored } of rows) {
    const sent = stored.sender === log.id;
    view.num(pos);
    view.i64(stored.id);
    view.u8(sent ? 1 : 0);
    view.num(sent ? stored.receiver : stored.sender);
    view.i64(stored.sendTime);
  }
  out.part(new Uint8Array(view.buffer, 0, view.length));
}

/** undefined: the writer knows nothing that the reader cannot see. */
export function readPeek(from: Unpacker): Peek | undefined {
  return from.u8() === 0 ? undefined : { pos: from.num(), epoch: from.i64(), view: from.part() };
}

export function packPeek(out: Packer, peek: Peek | undefined): void {
  out.u8(peek ? 1 : 0);
  if (!peek) return;
  out.num(peek.pos);
  out.i64(peek.epoch);
  out.part(peek.view);
}

/** The other end of packPeek. */
export function readView(from: Unpacker): View | undefined {
  if (from.u8() === 0) return undefined;
  const head = from.num(), epoch = String(from.i64());
  from.i32(); // length of the part
  const id = from.num(), written = from.num();
  const tail = Array.from({ length: from.i32() }, (): Entry => ({
    pos: from.num(),
    message: from.i64(),
    direction: from.u8() === 1 ? 1 : 0,
    peer: from.num(),
    group: undefined,
    sendTime: from.i64(),
  }));
  return { id, epoch, written, head, tail };
}

export function packHead(out: Packer, head: Head): void {
  out.num(head.pos);
  out.text(head.epoch);
}

export function readHead(from: Unpacker): Head {
  return { pos: from.num(), epoch: from.text() };
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

/** A value or its absence. */
export function packMaybe<Value>(out: Packer, value: Value | undefined, pack: (value: Value) => void): void {
  out.u8(value === undefined ? 0 : 1);
  if (value !== undefined) pack(value);
}

export function readMaybe<Value>(from: Unpacker, read: () => Value): Value | undefined {
  return from.u8() === 0 ? undefined : read();
}
