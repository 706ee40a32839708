import type { Context } from "hono";
import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import { offlineHorizon, offlineStart } from "../../message/offline_start.ts";
import type { HttpEnv } from "../../comm/ports.ts";
import type { ImStore } from "../../message/message_store.ts";
import type { RoomChanges } from "../../message/room_changes.ts";
import { fromBase36 } from "../../protocol/base36.ts";
import { type BodyType, EMPTY } from "../../protocol/bodies.ts";
import * as rpc from "../../protocol/gen/rpc_messages.ts";
import { GROUP_TEXT, PAGES, TEXT } from "../../protocol/limits.ts";
import { codePoints, isName } from "../../protocol/names.ts";

type KimEnv = { Bindings: HttpEnv };

/** A path of KIM's royal. */
export interface KimRoute {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly request: BodyType<object>;
  readonly response: BodyType<object>;
  readonly run: (c: Context<KimEnv>, request: object) => Promise<object>;
}

/** Who does not begin in that time is told so. */
const START_MS = 4_000;
/** Members told at once; larger groups are read page by page under /im. */
const MOST_MEMBERS = 10_000;
const MEMBERS_PAGE = 1_000;

function route<Req extends object, Res extends object>(
  method: KimRoute["method"],
  path: string,
  request: BodyType<Req>,
  response: BodyType<Res>,
  run: (c: Context<KimEnv>, request: Req) => Promise<Partial<Res>>,
) {
  return { method, path: `/api/:app/${path}`, request, response, run };
}

/** KIM's paths (proto/WIRE.md "Royal"); the app of the path counts everywhere. */
export function kimRoutes(store: ImStore, clock: Clock, changes: RoomChanges): readonly KimRoute[] {
  const startBy = () => clock.mono() + START_MS;
  const insert = (group: boolean) => async (c: Context<KimEnv>, request: rpc.InsertMessageReq) => {
    const { sender, dest, message } = request;
    if (!message) throw new ImError("INVALID_BODY", "Cannot store message: it is missing");
    const app = appOf(c);
    check(isName(sender), "sender is not a legal name");
    if (group) groupId(dest);
    else check(isName(dest), "dest is not a legal name");
    check(codePoints(message.body, TEXT.body) <= TEXT.body, `body is longer than ${TEXT.body} characters`);
    check(codePoints(message.extra, TEXT.extra) <= TEXT.extra, `extra is longer than ${TEXT.extra} characters`);
    const { type, body, extra } = message;
    const [stored] = await store.append([{ app, sender, dest, group, type, body, extra, startBy: startBy() }]);
    if (!stored || stored instanceof ImError) throw stored ?? new ImError("SYSTEM", "Cannot store message");
    return { messageId: stored.messageId };
  };
  const change = (verb: "join" | "quit") => async (c: Context<KimEnv>, request: rpc.JoinGroupReq) => {
    check(isName(request.account), "account is not a legal name");
    const group = groupId(request.groupId);
    const asked = { app: appOf(c), group, accounts: [request.account], by: undefined, startBy: startBy() };
    changes.note(asked, verb === "join", await store[verb](asked));
    return {};
  };
  const routes = [
    route("POST", "message/user", rpc.InsertMessageReq, rpc.InsertMessageResp, insert(false)),
    route("POST", "message/group", rpc.InsertMessageReq, rpc.InsertMessageResp, insert(true)),
    route("POST", "message/ack", rpc.AckMessageReq, EMPTY, async (c, { account, messageId }) => {
      check(isName(account), "account is not a legal name");
      check(messageId >= 0n, "message id is negative");
      const pos = messageId === 0n ? undefined : await store.position(appOf(c), account, messageId);
      if (pos !== undefined) await store.ack(appOf(c), account, "", pos);
      return {};
    }),
    route("POST", "group", rpc.CreateGroupReq, rpc.CreateGroupResp, async (c, request) => {
      const { owner, members, name, avatar, introduction } = request;
      check(isName(owner) && members.every(isName), "owner or a member is not a legal name");
      check(codePoints(name, GROUP_TEXT.name) <= GROUP_TEXT.name, "name is too long");
      check(codePoints(avatar, GROUP_TEXT.avatar) <= GROUP_TEXT.avatar, "avatar is too long");
      check(codePoints(introduction, GROUP_TEXT.introduction) <= GROUP_TEXT.introduction, "introduction is too long");
      const group = { app: appOf(c), owner, members, name, avatar, introduction, startBy: startBy() };
      return { groupId: (await store.createGroup(group)).id };
    }),
    route("GET", "group/:id", EMPTY, rpc.GetGroupResp, async (c) => {
      const group = await store.group(appOf(c), groupId(c.req.param("id") ?? ""));
      if (!group) throw noGroup();
      const { id, name, avatar, introduction, owner, createdAt } = group;
      return { id, name, avatar, introduction, owner, createdAt: BigInt(createdAt) };
    }),
    route("POST", "group/member", rpc.JoinGroupReq, EMPTY, change("join")),
    route("DELETE", "group/member", rpc.QuitGroupReq, EMPTY, change("quit")),
    route("GET", "group/members/:id", EMPTY, rpc.GroupMembersResp, async (c) => {
      const id = groupId(c.req.param("id") ?? "");
      if (!await store.group(appOf(c), id)) throw noGroup();
      const users: rpc.Member[] = [];
      let from: string | undefined;
      do {
        const page = await store.members(appOf(c), id, from, MEMBERS_PAGE);
        for (const { account, joinTime } of page.members) {
          users.push({ account, alias: "", avatar: "", joinTime: BigInt(joinTime) });
        }
        from = page.next;
      } while (from !== undefined && users.length < MOST_MEMBERS);
      return { users };
    }),
    route(
      "POST",
      "offline/index",
      rpc.GetOfflineMessageIndexReq,
      rpc.GetOfflineMessageIndexResp,
      async (c, request) => {
        const { account, messageId } = request;
        const app = appOf(c);
        check(isName(account), "account is not a legal name");
        check(messageId >= 0n, "message id is negative");
        const makeRows = async () => {
          const [made] = await store.makeRows(app, [account], offlineHorizon(clock), PAGES.indexes);
          return (made?.rows.length ?? 0) >= PAGES.indexes;
        };
        let more = await makeRows(); // of large groups, also of those it has left since
        const ack = store.ack.bind(store);
        const start = await offlineStart({ clock, messages: store, ack }, app, account, "", messageId);
        const read = () => store.entries(app, account, { ...start, direction: 0, limit: PAGES.indexes });
        let { rows } = await read();
        while (rows.length === 0 && more) { // an empty page says that nothing is left
          more = await makeRows();
          ({ rows } = await read());
        }
        return {
          list: rows.map(({ messageId, direction, sendTime, peer, group }) => {
            return { messageId, direction, sendTime, accountB: peer, group };
          }),
        };
      },
    ),
    route(
      "POST",
      "offline/content",
      rpc.GetOfflineMessageContentReq,
      rpc.GetOfflineMessageContentResp,
      // Nobody is named: the caller, a chat server, answers for who may read what.
      async (c, { messageIds }) => {
        check(messageIds.length > 0 && messageIds.length <= PAGES.contents, `ids are none or over ${PAGES.contents}`);
        check(messageIds.every((id) => id >= 0n), "an id is negative");
        const found = await store.contents(appOf(c), undefined, messageIds);
        return {
          list: messageIds.map((id, at) => {
            const { type = 0, body = "", extra = "" } = found[at] ?? {};
            return { id, type, body, extra };
          }),
        };
      },
    ),
  ];
  return routes as readonly unknown[] as readonly KimRoute[];
}

function appOf(c: Context<KimEnv>): string {
  const app = c.req.param("app") ?? "";
  check(isName(app), "app is not a legal name");
  return app;
}

function groupId(id: string): string {
  check(fromBase36(id) !== undefined, "group id is not base 36");
  return id;
}

function noGroup(): ImError {
  return new ImError("NO_DESTINATION", "Cannot read group: there is no such group");
}

/** @throws {ImError} INVALID_BODY */
function check(holds: boolean, otherwise: string): void {
  if (!holds) throw new ImError("INVALID_BODY", `Cannot do this: ${otherwise}`);
}
