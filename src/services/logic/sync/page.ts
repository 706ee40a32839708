import type { ConversationMessage } from "../../../message/conversation_store.ts";
import type { InboxMessage, InboxPage } from "../../../message/message_store.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";

/** A page of whole messages never carries more than this many bytes of text, so that no queue is filled by one page. */
const PAGE_BYTES = 128 << 10;

/** The first rows that one page may carry: up to PAGE_BYTES, at least one. */
export function fitting<Row extends { readonly body: string; readonly extra: string }>(rows: readonly Row[]): Row[] {
  let bytes = 0;
  const end = rows.findIndex((row, at) => {
    bytes += 64 + 3 * (row.body.length + row.extra.length);
    return at > 0 && bytes > PAGE_BYTES;
  });
  return rows.slice(0, end < 0 ? rows.length : end);
}

/** Inbox rows as `SyncResp`, as many as fit a page; `scannedTo` says how far the page really goes. */
export function syncPage(account: string, page: InboxPage<InboxMessage>): pkt.SyncResp {
  const rows = fitting(page.rows);
  const cut = page.rows[rows.length];
  return {
    messages: rows.map((row) => pushOf(account, row)),
    head: page.head.pos,
    epoch: page.head.epoch,
    scannedTo: cut ? cut.pos - 1 : page.scannedTo,
  };
}

function pushOf(account: string, row: InboxMessage): pkt.MessagePush {
  const group = row.group !== "";
  const dest = group ? row.group : row.direction === 1 ? row.peer : account;
  return { ...messageOf(dest, group, row), userSeq: row.pos };
}

/** A stored message on the wire, without a position in an inbox. */
export function messageOf(dest: string, group: boolean, row: ConversationMessage): pkt.MessagePush {
  return {
    messageId: row.messageId,
    type: row.type,
    body: row.body,
    extra: row.extra,
    sender: row.sender,
    sendTime: row.sendTime,
    seq: row.seq,
    userSeq: 0,
    dest,
    clientMsgId: row.clientMsgId ?? "",
    group,
  };
}
