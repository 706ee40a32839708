import { type BodyType, EMPTY } from "../protocol/bodies.ts";
import * as rpc from "../protocol/gen/rpc_messages.ts";
import { ImError } from "../base/errors.ts";
import type { ChangeMembers } from "./group_store.ts";
import type { ImStore } from "./message_store.ts";
import type { RoomChanges } from "./room_changes.ts";
import { appendProblem, checkCount, checkGroupTexts, checkKey, checkLimit, checkNames, MOST } from "./store_checks.ts";
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

/** What a store's process knows beside the store. */
export interface Beside {
  /** Changes of large groups that no chat server made. */
  readonly changes: RoomChanges;
  /** Why nothing can be stored now. */
  readonly problem: () => string | undefined;
}

/** One question that a store answers over HTTP: `POST <path>` with `request` as the body. */
export interface StoreCall {
  readonly path: string;
  readonly request: BodyType<object>;
  readonly response: BodyType<object>;
  /** @param nowMs monotonic ms, for deadlines. */
  readonly run: (store: ImStore, request: object, nowMs: number, beside: Beside) => Promise<object>;
}

/** A call whose two messages are known; `CALLS` forgets them again. */
function call<Req extends object, Res extends object>(
  path: string,
  request: BodyType<Req>,
  response: BodyType<Res>,
  run: (store: ImStore, request: Req, nowMs: number, beside: Beside) => Promise<Partial<Res>>,
) {
  return { path, request, response, run };
}

export const CALL = {
  append: call("/im/append", rpc.AppendReq, rpc.AppendResp, async (store, { appends }, nowMs) => {
    checkCount("messages", appends, MOST.appends);
    const wrong = appends.map(appendProblem);
    const right = wrong.every((one) => one === undefined) ? appends : appends.filter((_, i) => !wrong[i]);
    const results = (await store.append(right.map((one) => appendOfWire(one, nowMs)))).values();
    const all = wrong.map((problem) =>
      problem ?? results.next().value ?? new ImError("SYSTEM", "Cannot store message")
    );
    return { results: all.map((one) => ({ ...NOTHING_APPENDED, ...resultToWire(one) })) };
  }),
  page: call("/im/page", rpc.PageReq, rpc.PageResp, async (store, request) => {
    const { app, account, whole } = request;
    const range = rangeOfWire(request);
    checkLimit(range.limit);
    return pageToWire(whole ? await store.messages(app, account, range) : await store.entries(app, account, range));
  }),
  contents: call("/im/contents", rpc.ContentsReq, rpc.ContentsResp, async (store, { app, account, messageIds }) => {
    checkCount("ids", messageIds, MOST.contents);
    const found = await store.contents(app, account === "" ? undefined : account, messageIds);
    return { contents: found.map((one) => ({ ...NO_CONTENT, ...contentToWire(one) })) };
  }),
  position: call("/im/position", rpc.ContentsReq, rpc.PositionResp, async (store, { app, account, messageIds }) => ({
    pos: await store.position(app, account, messageIds[0] ?? 0n) ?? 0,
  })),
  heads: call("/im/heads", rpc.HeadsReq, rpc.HeadsResp, async (store, { app, accounts }) => {
    checkCount("accounts", accounts, MOST.names);
    return { heads: (await store.heads(app, accounts)).map(headToWire) };
  }),
  ack: call("/im/ack", rpc.AckReq, rpc.AckResp, async (store, { acks }) => {
    checkCount("acks", acks, MOST.acks);
    for (const { app, account, device } of acks) checkNames([app, account, ...(device === "" ? [] : [device])]);
    const moves = acks.map(({ app, account, device, pos }) => store.ack(app, account, device, pos));
    return { positions: await Promise.all(moves) };
  }),
  acked: call("/im/acked", rpc.CursorReq, rpc.PositionResp, async (store, { app, account, device }) => ({
    pos: await store.acked(app, account, device),
  })),
  createGroup: call("/im/group/create", rpc.NewGroupReq, rpc.NewGroupResp, async (store, request, nowMs) => {
    const { app, owner, name, avatar, introduction, members, key, waitMs, again } = request;
    checkNames([app, owner]);
    checkNames(members);
    checkGroupTexts(request);
    checkKey(key);
    const texts = { app, owner, name, avatar, introduction, members };
    const keyed = { ...texts, key: keyOfWire(key), startBy: startByOf(waitMs, nowMs), again };
    const made = await finalIf(again, store.createGroup(keyed));
    return { id: made.id, members: [...made.members] };
  }),
  join: call(
    "/im/group/join",
    rpc.ChangeMembersReq,
    rpc.ChangeMembersResp,
    async (store, request, nowMs, { changes }) => {
      const change = changeOf(request, nowMs);
      const made = await finalIf(change.again, store.join(change));
      changes.note(change, true, made);
      return changedToWire(made);
    },
  ),
  quit: call(
    "/im/group/quit",
    rpc.ChangeMembersReq,
    rpc.ChangeMembersResp,
    async (store, request, nowMs, { changes }) => {
      const change = changeOf(request, nowMs);
      const made = await finalIf(change.again, store.quit(change));
      changes.note(change, false, made);
      return changedToWire(made);
    },
  ),
  group: call("/im/group", rpc.GroupReq, rpc.Group, async (store, { app, group }) => {
    const found = await store.group(app, group);
    return found ? groupToWire(found) : {};
  }),
  isMember: call("/im/group/is_member", rpc.GroupReq, rpc.IsMemberResp, async (store, { app, group, account }) => ({
    isMember: await store.isMember(app, group, account),
  })),
  members: call("/im/group/members", rpc.GroupReq, rpc.MemberPage, async (store, { app, group, from, limit }) => {
    checkLimit(limit);
    const page = await store.members(app, group, from === "" ? undefined : from, limit);
    const members = page.members.map(({ account, joinTime }) => ({ account, joinTime: BigInt(joinTime) }));
    return { members, next: page.next ?? "" };
  }),
  rooms: call("/im/rooms", rpc.GroupReq, rpc.RoomsResp, async (store, { app, account }) => ({
    rooms: [...await store.rooms(app, account)],
  })),
  makeRows: call("/im/rows", rpc.MakeRowsReq, rpc.MakeRowsResp, async (store, { app, accounts, since, most }) => {
    checkCount("accounts", accounts, MOST.names);
    checkLimit(most);
    return { made: (await store.makeRows(app, accounts, since, most)).map(madeToWire) };
  }),
  history: call("/im/history", rpc.ConversationReq, rpc.HistoryResp, async (store, request) => {
    const { app, account } = request;
    checkLimit(request.limit);
    return historyToWire(await store.history(app, account, peerOfWire(request), historyRangeOfWire(request)));
  }),
  roomMessages: call("/im/room/messages", rpc.ConversationReq, rpc.HistoryResp, async (store, request) => {
    const { app, dest, after, limit } = request;
    checkLimit(limit);
    return historyToWire(await store.roomMessages(app, dest, after, limit));
  }),
  roomHeads: call("/im/room/heads", rpc.RoomHeadsReq, rpc.RoomHeadsResp, async (store, { app, groups }) => {
    checkCount("groups", groups, MOST.names);
    return { heads: [...await store.roomHeads(app, groups)] };
  }),
  conversations: call(
    "/im/conversations",
    rpc.ConversationsReq,
    rpc.ConversationsResp,
    async (store, { app, account, from, limit }) => {
      checkLimit(limit);
      const page = await store.conversations(app, account, from === "" ? undefined : from, limit);
      const conversations = page.conversations.map((one) => ({ ...NO_CONVERSATION, ...conversationToWire(one) }));
      return { conversations, next: page.next ?? "" };
    },
  ),
  setRead: call("/im/read", rpc.ConversationReq, rpc.ReadResp, async (store, request) => {
    checkNames([request.app, request.account]);
    return { seq: await store.setRead(request.app, request.account, peerOfWire(request), request.seq) };
  }),
  roomChanges: call(
    "/im/room/changes",
    rpc.RoomChangesReq,
    rpc.RoomChangesResp,
    (_store, { after }, _now, { changes }) => {
      const { next, missed, list } = changes.since(after);
      return Promise.resolve({ next, missed, changes: list.map((one) => ({ ...one, accounts: [...one.accounts] })) });
    },
  ),
  health: call("/im/health", EMPTY, rpc.HealthResp, (_store, _request, _now, { problem }) => {
    return Promise.resolve({ problem: problem() ?? "" });
  }),
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

/** BUSY of the call means that nobody looked, and is asked again; of what came again this is the store's own last word. */
async function finalIf<T>(again: boolean | undefined, made: Promise<T>): Promise<T> {
  try {
    return await made;
  } catch (thrown) {
    const isLast = again === true && thrown instanceof ImError && thrown.code === "BUSY";
    throw isLast ? new ImError("SYSTEM", thrown.message, { cause: thrown }) : thrown;
  }
}

function changeOf(request: rpc.ChangeMembersReq, nowMs: number): ChangeMembers {
  const { app, group, accounts, key, again } = request, by = request.by === "" ? undefined : request.by;
  checkNames([app]);
  checkNames(accounts);
  checkKey(key);
  return { app, group, accounts, by, key: keyOfWire(key), startBy: startByOf(request.waitMs, nowMs), again };
}
