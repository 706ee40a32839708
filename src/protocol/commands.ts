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
} as const satisfies Record<string, Command>;

const byName = new Map<string, Command>(Object.values(COMMANDS).map((command) => [command.name, command]));

/** The row of a command on the wire; undefined for one that no row has (a backend's own, or nonsense). */
export function commandOf(name: string): Command | undefined {
  return byName.get(name);
}
