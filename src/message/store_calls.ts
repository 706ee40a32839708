import type { BodyType } from "../protocol/bodies.ts";
import * as rpc from "../protocol/gen/rpc_messages.ts";
import { ImError } from "../base/errors.ts";
import type { ImStore } from "./message_store.ts";
import {
  appendOfWire,
  changedToWire,
  contentToWire,
  conversationToWire,
  groupToWire,
  headToWire,
  historyRangeOfWire,
  historyToWire,
  keyOfWire,
  madeToWire,
  pageToWire,
  peerOfWire,
  rangeOfWire,
  resultToWire,
  startByOf,
} from "./store_wire.ts";

/** One question that a store answers over HTTP: `POST <path>` with `request` as the body. */
export interface StoreCall {
  readonly path: string;
  readonly request: BodyType<object>;
  readonly response: BodyType<object>;
  /** @param nowMs monotonic ms, for deadlines. */
  readonly run: (store: ImStore, request: object, nowMs: number) => Promise<object>;
}

/** A call whose two messages are known; `CALLS` forgets them again. */
function call<Req extends object, Res extends object>(
  path: string,
  request: BodyType<Req>,
  response: BodyType<Res>,
  run: (store: ImStore, request: Req, nowMs: number) => Promise<Partial<Res>>,
) {
  return { path, request, response, run };
}

/** Most messages of one append; the batchers of our chat servers send fewer. */
const MOST_APPENDS = 1_000;

export const CALL = {
  append: call("/im/append", rpc.AppendReq, rpc.AppendResp, async (store, { appends }, nowMs) => {
    if (appends.length > MOST_APPENDS) {
      throw new ImError("INVALID_BODY", `Cannot append: ${appends.length} messages, limit is ${MOST_APPENDS}`);
    }
    const results = await store.append(appends.map((one) => appendOfWire(one, nowMs)));
    return { results: results.map((one) => ({ ...NOTHING_APPENDED, ...resultToWire(one) })) };
  }),
  page: call("/im/page", rpc.PageReq, rpc.PageResp, async (store, request) => {
    const { app, account, whole } = request;
    const range = rangeOfWire(request);
    return pageToWire(whole ? await store.messages(app, account, range) : await store.entries(app, account, range));
  }),
  contents: call("/im/contents", rpc.ContentsReq, rpc.ContentsResp, async (store, { app, account, messageIds }) => ({
    contents: (await store.contents(app, account === "" ? undefined : account, messageIds)).map((one) => ({
      ...NO_CONTENT,
      ...contentToWire(one),
    })),
  })),
  position: call("/im/position", rpc.ContentsReq, rpc.PositionResp, async (store, { app, account, messageIds }) => ({
    pos: await store.position(app, account, messageIds[0] ?? 0n) ?? 0,
  })),
  heads: call("/im/heads", rpc.HeadsReq, rpc.HeadsResp, async (store, { app, accounts }) => ({
    heads: (await store.heads(app, accounts)).map(headToWire),
  })),
  ack: call("/im/ack", rpc.CursorReq, rpc.PositionResp, async (store, { app, account, device, pos }) => ({
    pos: await store.ack(app, account, device, pos),
  })),
  acked: call("/im/acked", rpc.CursorReq, rpc.PositionResp, async (store, { app, account, device }) => ({
    pos: await store.acked(app, account, device),
  })),
  createGroup: call("/im/group/create", rpc.NewGroupReq, rpc.NewGroupResp, async (store, request, nowMs) => {
    const { app, owner, name, avatar, introduction, members, key, waitMs } = request;
    const texts = { app, owner, name, avatar, introduction, members };
    const made = await store.createGroup({ ...texts, key: keyOfWire(key), startBy: startByOf(waitMs, nowMs) });
    return { id: made.id, members: [...made.members] };
  }),
  join: call("/im/group/join", rpc.ChangeMembersReq, rpc.ChangeMembersResp, async (store, request, nowMs) => {
    return changedToWire(await store.join(changeOf(request, nowMs)));
  }),
  quit: call("/im/group/quit", rpc.ChangeMembersReq, rpc.ChangeMembersResp, async (store, request, nowMs) => {
    return changedToWire(await store.quit(changeOf(request, nowMs)));
  }),
  group: call("/im/group", rpc.GroupReq, rpc.Group, async (store, { app, group }) => {
    const found = await store.group(app, group);
    return found ? groupToWire(found) : {};
  }),
  isMember: call("/im/group/is_member", rpc.GroupReq, rpc.IsMemberResp, async (store, { app, group, account }) => ({
    isMember: await store.isMember(app, group, account),
  })),
  members: call("/im/group/members", rpc.GroupReq, rpc.MemberPage, async (store, { app, group, from, limit }) => {
    const page = await store.members(app, group, from === "" ? undefined : from, limit);
    const members = page.members.map(({ account, joinTime }) => ({ account, joinTime: BigInt(joinTime) }));
    return { members, next: page.next ?? "" };
  }),
  rooms: call("/im/rooms", rpc.GroupReq, rpc.RoomsResp, async (store, { app, account }) => ({
    rooms: [...await store.rooms(app, account)],
  })),
  makeRows: call("/im/rows", rpc.MakeRowsReq, rpc.MakeRowsResp, async (store, { app, accounts, since, most }) => ({
    made: (await store.makeRows(app, accounts, since, most)).map(madeToWire),
  })),
  history: call("/im/history", rpc.ConversationReq, rpc.HistoryResp, async (store, request) => {
    const { app, account } = request;
    return historyToWire(await store.history(app, account, peerOfWire(request), historyRangeOfWire(request)));
  }),
  roomMessages: call("/im/room/messages", rpc.ConversationReq, rpc.HistoryResp, async (store, request) => {
    const { app, dest, after, limit } = request;
    return historyToWire(await store.roomMessages(app, dest, after, limit));
  }),
  roomHeads: call("/im/room/heads", rpc.RoomHeadsReq, rpc.RoomHeadsResp, async (store, { app, groups }) => ({
    heads: [...await store.roomHeads(app, groups)],
  })),
  conversations: call(
    "/im/conversations",
    rpc.ConversationsReq,
    rpc.ConversationsResp,
    async (store, { app, account, from, limit }) => {
      const page = await store.conversations(app, account, from === "" ? undefined : from, limit);
      const conversations = page.conversations.map((one) => ({ ...NO_CONVERSATION, ...conversationToWire(one) }));
      return { conversations, next: page.next ?? "" };
    },
  ),
  setRead: call("/im/read", rpc.ConversationReq, rpc.ReadResp, async (store, request) => ({
    seq: await store.setRead(request.app, request.account, peerOfWire(request), request.seq),
  })),
  trim: call("/im/trim", rpc.TrimReq, rpc.TrimResp, async (store, { sendTime, most }) => ({
    removed: await store.removeBefore(sendTime, most),
  })),
} as const;

/** Every call, for whoever serves them. */
export const CALLS: readonly StoreCall[] = Object.values(CALL) as readonly unknown[] as readonly StoreCall[];

const NOTHING_APPENDED: rpc.Appended = {
  error: "",
  reason: "",
  messageId: 0n,
  sendTime: 0n,
  seq: 0,
  senderPos: 0,
  receiverPos: 0,
  duplicate: false,
  group: false,
  room: false,
  fan: [],
};
const NO_CONTENT: rpc.Content = { messageId: 0n, type: 0, body: "", extra: "" };
const NO_CONVERSATION = { dest: "", isGroup: false, head: 0, read: 0, unread: 0 } as const;

function changeOf({ app, group, accounts, by, waitMs }: rpc.ChangeMembersReq, nowMs: number) {
  return { app, group, accounts, by: by === "" ? undefined : by, startBy: startByOf(waitMs, nowMs) };
}
