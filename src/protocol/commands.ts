import { type BodyType, EMPTY } from "./bodies.ts";
import { pkt } from "./gen/pkt.js";

/** One command: its bodies, who may send it, and whether the header must say `dest`. */
export interface Command {
  readonly name: string;
  readonly request: BodyType<object>;
  readonly response: BodyType<object>;
  /** Body of the push that the command causes; undefined: none. */
  readonly push: BodyType<object> | undefined;
  /** "gateway": on links only, a client's is answered NOT_IMPLEMENTED. */
  readonly from: "client" | "gateway";
  readonly dest: boolean;
}

/**
 * Every command there is. Source: proto/WIRE.md "Commands". A gateway replaces the body of `login.signin` by a
 * `pkt.Session` before it forwards it.
 */
export const COMMANDS = {
  signIn: {
    name: "login.signin",
    request: pkt.LoginReq,
    response: pkt.LoginResp,
    push: pkt.KickoutNotify,
    from: "client",
    dest: false,
  },
  signOut: { name: "login.signout", request: EMPTY, response: EMPTY, push: undefined, from: "client", dest: false },
  userTalk: {
    name: "chat.user.talk",
    request: pkt.MessageReq,
    response: pkt.MessageResp,
    push: pkt.MessagePush,
    from: "client",
    dest: true,
  },
  talkAck: {
    name: "chat.talk.ack",
    request: pkt.MessageAckReq,
    response: EMPTY,
    push: undefined,
    from: "client",
    dest: false,
  },
  offlineIndex: {
    name: "chat.offline.index",
    request: pkt.MessageIndexReq,
    response: pkt.MessageIndexResp,
    push: undefined,
    from: "client",
    dest: false,
  },
  offlineContent: {
    name: "chat.offline.content",
    request: pkt.MessageContentReq,
    response: pkt.MessageContentResp,
    push: undefined,
    from: "client",
    dest: false,
  },
  /** Ours: the inbox by position, whole messages. */
  sync: {
    name: "chat.sync",
    request: pkt.SyncReq,
    response: pkt.SyncResp,
    push: undefined,
    from: "client",
    dest: false,
  },
  groupCreate: {
    name: "chat.group.create",
    request: pkt.GroupCreateReq,
    response: pkt.GroupCreateResp,
    push: pkt.GroupCreateNotify,
    from: "client",
    dest: false,
  },
  groupJoin: {
    name: "chat.group.join",
    request: pkt.GroupJoinReq,
    response: EMPTY,
    push: pkt.GroupJoinNotify,
    from: "client",
    dest: false,
  },
  groupQuit: {
    name: "chat.group.quit",
    request: pkt.GroupQuitReq,
    response: EMPTY,
    push: pkt.GroupQuitNotify,
    from: "client",
    dest: false,
  },
  groupDetail: {
    name: "chat.group.detail",
    request: pkt.GroupGetReq,
    response: pkt.GroupGetResp,
    push: undefined,
    from: "client",
    dest: false,
  },
  /** Ours: all members, page by page. */
  groupMembers: {
    name: "chat.group.members",
    request: pkt.GroupMembersReq,
    response: pkt.GroupMembersResp,
    push: undefined,
    from: "client",
    dest: false,
  },
  groupTalk: {
    name: "chat.group.talk",
    request: pkt.MessageReq,
    response: pkt.MessageResp,
    push: pkt.MessagePush,
    from: "client",
    dest: true,
  },
  /** Ours: a conversation by seq. */
  history: {
    name: "chat.history",
    request: pkt.HistoryReq,
    response: pkt.HistoryResp,
    push: undefined,
    from: "client",
    dest: true,
  },
  /** Ours: the account's conversations. */
  conversations: {
    name: "chat.conversations",
    request: pkt.ConversationsReq,
    response: pkt.ConversationsResp,
    push: undefined,
    from: "client",
    dest: false,
  },
  /** Ours: the read position of a conversation. */
  read: {
    name: "chat.read",
    request: pkt.ReadReq,
    response: pkt.ReadResp,
    push: pkt.ReadReq,
    from: "client",
    dest: true,
  },
  /** Ours: the messages one channel lacks. */
  fill: {
    name: "im.fill",
    request: pkt.FillReq,
    response: pkt.SyncResp,
    push: undefined,
    from: "gateway",
    dest: false,
  },
  /** Ours: the inbox heads of many channels' accounts. */
  heads: {
    name: "im.heads",
    request: pkt.HeadsReq,
    response: pkt.HeadsResp,
    push: undefined,
    from: "gateway",
    dest: false,
  },
  /** Ours: messages of a large group that a gateway lacks. */
  roomFill: {
    name: "im.room.fill",
    request: pkt.RoomFillReq,
    response: pkt.HistoryResp,
    push: undefined,
    from: "gateway",
    dest: false,
  },
  /** Ours: the last seqs of large groups. */
  roomHeads: {
    name: "im.room.heads",
    request: pkt.RoomHeadsReq,
    response: pkt.RoomHeadsResp,
    push: undefined,
    from: "gateway",
    dest: false,
  },
  /** Ours: whether a gateway is right about which large groups its channels are in. */
  roomCheck: {
    name: "im.room.check",
    request: pkt.RoomCheckReq,
    response: pkt.RoomCheckResp,
    push: undefined,
    from: "gateway",
    dest: false,
  },
  /** Ours: inbox rows of large groups' messages for old clients. */
  roomRows: {
    name: "im.room.rows",
    request: pkt.RoomRowsReq,
    response: pkt.RoomRowsResp,
    push: undefined,
    from: "gateway",
    dest: false,
  },
  /** Ours: a group, for the HTTP API: without being a member, and without listing any. */
  group: {
    name: "im.group",
    request: pkt.GroupGetReq,
    response: pkt.GroupGetResp,
    push: undefined,
    from: "gateway",
    dest: false,
  },
  /** Ours: a page of a group's members, for the HTTP API. */
  groupMembersOf: {
    name: "im.group.members",
    request: pkt.GroupMembersReq,
    response: pkt.GroupMembersResp,
    push: undefined,
    from: "gateway",
    dest: false,
  },
  /** Ours: sessions that a gateway still has, after the session store lost them. */
  restore: {
    name: "im.restore",
    request: pkt.RestoreReq,
    response: EMPTY,
    push: undefined,
    from: "gateway",
    dest: false,
  },
  /** Ours: which channels took a push. Its answer is not waited for. */
  receipt: {
    name: "im.receipt",
    request: pkt.Receipt,
    response: EMPTY,
    push: undefined,
    from: "gateway",
    dest: false,
  },
} as const satisfies Record<string, Command>;

/** From a chat server to a gateway, as a push: channels enter or leave a room (pkt.RoomChange). */
export const ROOM_CHANGE = "im.room";
/** From a chat server to a gateway, as a push without body and channels: it stops, send it no new channels. */
export const DRAIN = "im.drain";
/** From a chat server to a gateway, as a push without body and channels: pushes were missed, ask for all heads. */
export const LOOK = "im.look";

const byName = new Map<string, Command>(Object.values(COMMANDS).map((command) => [command.name, command]));

/** The row of a command on the wire; undefined for one that no row has (a backend's own, or nonsense). */
export function commandOf(name: string): Command | undefined {
  return byName.get(name);
}
