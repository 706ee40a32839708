import type { Peer } from "../conversation_store.ts";
import { ConversationReader } from "./conversation_reader.ts";
import { GroupReader } from "./group_reader.ts";
import { ASK, readRange } from "./messages.ts";
import { Names } from "./names.ts";
import {
  packContent,
  packConversations,
  packEntry,
  packGroup,
  packHead,
  packHistory,
  packMaybe,
  packMessage,
  packPage,
  packPlaces,
  readHistoryRange,
  readLasts,
  readMaybe,
  readView,
} from "./pages.ts";
import { Reader } from "./reader.ts";
import type { Role } from "./role.ts";
import { KIND, logOf, openForReading } from "./schema.ts";
import { NO_HEAD, type View } from "./views.ts";
import type { Packer, Unpacker } from "./wire.ts";

interface Readers {
  readonly inboxes: Reader;
  readonly groups: GroupReader;
  readonly conversations: ConversationReader;
}

/** The reading half of the store. @throws {ImError} CONFIG */
export function readerRole(path: string): Role {
  const db = openForReading(path);
  const names = new Names(db), groups = new GroupReader(db, names);
  const readers: Readers = {
    inboxes: new Reader(db, names, groups),
    groups,
    conversations: new ConversationReader(db, names, groups),
  };
  return {
    handle(request, reply) {
      const handle = HANDLERS[request.u8()];
      if (!handle) throw new Error("Cannot read: no such request");
      handle(readers, request.text(), request, reply);
    },
    [Symbol.dispose]: () => db.close(),
  };
}

type Handler = (readers: Readers, app: string, request: Unpacker, reply: Packer) => void;

const HANDLERS: Readonly<Record<number, Handler>> = {
  [ASK.page]({ inboxes }, app, request, reply) {
    const account = request.text(), withMessages = request.u8() === 1, range = readRange(request);
    const view = readView(request) ?? inboxes.view(app, KIND.account, account);
    if (withMessages) packPage(reply, inboxes.messages(account, view, range), packMessage);
    else packPage(reply, inboxes.entries(view, range), packEntry);
  },
  [ASK.contents]({ inboxes }, app, request, reply) {
    const account = request.text(), ids = Array.from({ length: request.i32() }, () => request.i64());
    const found = inboxes.contents(app, account, ids);
    for (const one of found) packMaybe(reply, one, (content) => packContent(reply, content));
  },
  [ASK.position]({ inboxes }, app, request, reply) {
    packMaybe(reply, inboxes.position(app, request.text(), request.i64()), (pos) => reply.num(pos));
  },
  [ASK.acked]({ inboxes }, app, request, reply) {
    reply.num(inboxes.acked(app, request.text(), request.text()));
  },
  [ASK.heads]({ inboxes }, app, request, reply) {
    const kind = request.u8();
    for (let left = request.i32(); left > 0; left--) {
      const view = inboxes.view(app, kind, request.text());
      packHead(reply, view ? { pos: view.head, trimmed: view.trimmed, epoch: view.epoch } : NO_HEAD);
    }
  },
  [ASK.group]({ inboxes, groups }, app, request, reply) {
    const view = readView(request) ?? inboxes.view(app, KIND.group, request.text());
    packMaybe(reply, view, ({ id, head }) => packGroup(reply, groups.group(id, head)));
  },
  [ASK.member]({ groups }, app, request, reply) {
    reply.u8(groups.isMember(app, request.text(), request.text()) ? 1 : 0);
  },
  [ASK.members]({ groups }, app, request, reply) {
    const id = request.text(), from = readMaybe(request, () => request.text());
    reply.text(JSON.stringify(groups.members(app, id, from, request.num())));
  },
  [ASK.rooms]({ groups }, app, request, reply) {
    reply.text(JSON.stringify(groups.rooms(app, request.text())));
  },
  [ASK.history]({ inboxes, conversations }, app, request, reply) {
    const account = request.text();
    const peer = JSON.parse(request.text()) as Peer, range = readHistoryRange(request); // from store.ts of this build
    const view = readView(request) ?? inboxes.view(app, ...logOf(account, peer));
    packHistory(reply, conversations.history(app, account, peer, range, view));
  },
  [ASK.roomMessages]({ inboxes, conversations }, app, request, reply) {
    const group = request.text(), range = readHistoryRange(request);
    const view = readView(request) ?? inboxes.view(app, KIND.group, group);
    packHistory(reply, conversations.roomMessages(app, group, range, view));
  },
  [ASK.places]({ inboxes, conversations }, app, request, reply) {
    const account = request.text();
    packPlaces(reply, conversations.places(app, account, viewOf(inboxes, app, account, request)));
  },
  [ASK.conversations]({ inboxes, conversations }, app, request, reply) {
    const account = request.text(), from = readMaybe(request, () => request.text()), limit = request.num();
    const own = viewOf(inboxes, app, account, request), lasts = readLasts(request);
    packConversations(reply, conversations.conversations(app, account, own, lasts, from, limit));
  },
};

function viewOf(inboxes: Reader, app: string, account: string, request: Unpacker): View | undefined {
  return readView(request) ?? inboxes.view(app, KIND.account, account);
}
