import type { InboxMessage, InboxPage } from "../../../message/message_store.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";

/** A page of whole messages never carries more than this many bytes of text, so that no queue is filled by one page. */
export const PAGE_BYTES = 128 << 10;

/** Inbox rows as `SyncResp`, cut at PAGE_BYTES (at least one row); `scannedTo` says how far the page really goes. */
export function syncPage(account: string, page: InboxPage<InboxMessage>): pkt.SyncResp {
  const messages: pkt.MessagePush[] = [];
  let bytes = 0;
  let scannedTo = page.scannedTo;
  for (const row of page.rows) {
    bytes += 64 + 3 * (row.body.length + row.extra.length);
    if (bytes > PAGE_BYTES && messages.length > 0) {
      scannedTo = row.pos - 1;
      break;
    }
    messages.push(pushOf(account, row));
  }
  return { messages, head: page.head.pos, epoch: page.head.epoch, scannedTo };
}

function pushOf(account: string, row: InboxMessage): pkt.MessagePush {
  const group = row.group !== "";
  return {
    messageId: row.messageId,
    type: row.type,
    body: row.body,
    extra: row.extra,
    sender: row.sender,
    sendTime: row.sendTime,
    seq: row.seq,
    userSeq: row.pos,
    dest: group ? row.group : row.direction === 1 ? row.peer : account,
    clientMsgId: row.clientMsgId ?? "",
    group,
  };
}
