import { z } from "zod";
import { ImError } from "../../base/errors.ts";
import { COMMANDS } from "../../protocol/commands.ts";
import { GROUP_TEXT, PAGES } from "../../protocol/limits.ts";
import { type AskLogic, NO_QUERY, NOTHING, type Route, route } from "./route.ts";
import { Count, GroupId, Name, QueryNumber, Text } from "./shapes.ts";

const NewGroup = z.strictObject({
  owner: Name,
  name: Text(GROUP_TEXT.name),
  avatar: Text(GROUP_TEXT.avatar).default(""),
  introduction: Text(GROUP_TEXT.introduction).default(""),
  members: z.array(Name).max(5_000).default([]).meta({ description: "The owner is one in any case" }),
});

const Seconds = z.int().meta({ description: "Unix seconds", example: 1795208576 });

const Group = z.strictObject({
  id: GroupId,
  name: z.string(),
  avatar: z.string(),
  introduction: z.string(),
  owner: z.string().meta({ description: "Empty when the owner has left" }),
  createdAt: Seconds,
  memberCount: Count,
  head: Count.meta({ description: "Seq of the last message" }),
  large: z.boolean().meta({ description: "Its messages are not in its members' inboxes" }),
});

const MembersQuery = z.strictObject({
  next: z.string().max(200).default(""),
  limit: QueryNumber(1, PAGES.members).default(100),
});

const Members = z.strictObject({
  members: z.array(z.strictObject({ account: Name, joinTime: Seconds })).meta({
    description: "In the order they joined",
  }),
  memberCount: Count,
  next: z.string().optional().meta({ description: "Asks for the next page; absent: this is the last" }),
});

/** Groups and who is in them. */
export function groupRoutes(ask: AskLogic): Route[] {
  return [
    route({
      method: "POST",
      path: "groups",
      summary: "Make a group",
      about: "The owner and all members are in it at once; members who are online are told.",
      query: NO_QUERY,
      body: NewGroup,
      status: 201,
      answer: z.strictObject({ id: GroupId }),
      async run({ app, body: { owner, ...body } }) {
        const { groupId: id } = await ask({ app, account: owner, command: COMMANDS.groupCreate, body });
        return { id };
      },
    }),
    route({
      method: "GET",
      path: "groups/:id",
      summary: "A group",
      query: NO_QUERY,
      body: NOTHING,
      status: 200,
      answer: Group,
      async run({ app, id: groupId }) {
        const found = await groupFound(
          ask({ app, account: "", spread: groupId, command: COMMANDS.group, body: { groupId } }),
        );
        const { id, name, avatar, introduction, owner, createdAt, memberCount, head, large } = found;
        return { id, name, avatar, introduction, owner, createdAt: Number(createdAt), memberCount, head, large };
      },
    }),
    route({
      method: "GET",
      path: "groups/:id/members",
      summary: "A group's members, in the order they joined",
      query: MembersQuery,
      body: NOTHING,
      status: 200,
      answer: Members,
      async run({ app, id: groupId, query: { next: from, limit } }) {
        const body = { groupId, from, limit };
        const asked = ask({ app, account: "", spread: groupId, command: COMMANDS.groupMembersOf, body });
        const page = await (from === "" ? groupFound(asked) : asked); // a later page: what is bad may be its `next`
        const members = page.members.map(({ account, joinTime }) => ({ account, joinTime: Number(joinTime) }));
        const { memberCount, next } = page;
        return next === "" ? { members, memberCount } : { members, memberCount, next };
      },
    }),
    route({
      method: "POST",
      path: "groups/:id/members",
      summary: "Put an account into a group",
      about: "Somebody who is in already stays in.",
      query: NO_QUERY,
      body: z.strictObject({ account: Name }),
      status: 204,
      answer: NOTHING,
      // In the account's own name, in which everybody may join and leave: a group whose owner left goes on.
      run: ({ app, id: groupId, body: { account } }) => change(ask, COMMANDS.groupJoin, { app, groupId, account }),
    }),
    route({
      method: "DELETE",
      path: "groups/:id/members/:account",
      summary: "Take an account out of a group",
      about: "Somebody who is not in it stays out.",
      query: NO_QUERY,
      body: NOTHING,
      status: 204,
      answer: NOTHING,
      run: ({ app, id: groupId, account }) => change(ask, COMMANDS.groupQuit, { app, groupId, account }),
    }),
  ];
}

async function change(
  ask: AskLogic,
  command: typeof COMMANDS.groupJoin | typeof COMMANDS.groupQuit,
  { app, groupId, account }: { readonly app: string; readonly groupId: string; readonly account: string },
): Promise<void> {
  await groupFound(ask({ app, account, command, body: { groupId, account } }));
}

/** What logic calls a bad body is a group that is not there, as all else was checked before. */
export async function groupFound<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (thrown) {
    if (!(thrown instanceof ImError) || thrown.code !== "INVALID_BODY") throw thrown;
    throw new ImError("NO_DESTINATION", "There is no such group", { cause: thrown });
  }
}
