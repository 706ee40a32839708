import { z } from "zod";
import { COMMANDS } from "../../protocol/commands.ts";
import { PAGES, TEXT } from "../../protocol/limits.ts";
import { groupFound } from "./groups.ts";
import { type AskLogic, NO_QUERY, NOTHING, type Route, route } from "./route.ts";
import { Count, GroupId, Long, Message, messageOf, Name, QueryNumber, Text } from "./shapes.ts";

const NewMessage = z.strictObject({
  from: Name,
  to: Name.optional(),
  group: GroupId.optional(),
  type: z.int32().min(0).default(1).meta({ description: "1 text, 2 image, 3 voice, 4 video" }),
  body: Text(TEXT.body),
  extra: Text(TEXT.extra).default(""),
  clientMsgId: Text(TEXT.clientMsgId).min(1).optional(),
}).refine(({ to, group }) => (to === undefined) !== (group === undefined), "expected one of to and group");

const Sent = z.strictObject({ messageId: Long, sendTime: Long, seq: Count });

const HistoryQuery = z.strictObject({
  with: Name.optional(),
  group: GroupId.optional(),
  after: QueryNumber(0, 0xffff_ffff).optional(),
  before: QueryNumber(1, 0xffff_ffff).optional(),
  limit: QueryNumber(1, PAGES.sync).default(50),
}).refine((query) => (query.with === undefined) !== (query.group === undefined), "expected one of with and group")
  .refine(({ after, before }) => after === undefined || before === undefined, "expected one of after and before");

const History = z.strictObject({
  messages: z.array(Message).meta({ description: "Ascending by seq, whichever way was asked" }),
  first: Count.meta({ description: "The lowest seq the account may read; above head: none" }),
  head: Count.meta({ description: "The last seq there is" }),
});

const ConversationsQuery = z.strictObject({
  next: z.string().max(200).default(""),
  limit: QueryNumber(1, PAGES.conversations).default(50),
});

const Conversations = z.strictObject({
  conversations: z.array(z.strictObject({
    with: Name.optional(),
    group: GroupId.optional(),
    name: z.string().optional().meta({ description: "Of the group" }),
    memberCount: Count.optional(),
    head: Count,
    read: Count.meta({ description: "The account has read up to this seq" }),
    unread: Count.meta({ description: "Others' messages above it, counted up to 1,000" }),
    last: Message.optional(),
  })),
  next: z.string().optional().meta({ description: "Asks for the next page; absent: this is the last" }),
});

/** Sending, and what was said. */
export function messageRoutes(ask: AskLogic): Route[] {
  return [
    route({
      method: "POST",
      path: "messages",
      summary: "Send a message",
      about:
        "Answered when it is stored and synced to disk. `to` an account, or `group`: only members write to a group. " +
        "With the same `clientMsgId` it is stored once, however often it is sent within 7 days (409: another content).",
      query: NO_QUERY,
      body: NewMessage,
      status: 200,
      answer: Sent,
      async run({ app, body: { from, to, group, ...message } }) {
        const command = group === undefined ? COMMANDS.userTalk : COMMANDS.groupTalk;
        const body = { ...message, clientMsgId: message.clientMsgId ?? "" };
        const asked = ask({ app, account: from, command, body, dest: group ?? to ?? "" });
        const { messageId, sendTime, seq } = await (group === undefined ? asked : groupFound(asked));
        return { messageId: String(messageId), sendTime: String(sendTime), seq };
      },
    }),
    route({
      method: "GET",
      path: "accounts/:account/conversations",
      summary: "An account's conversations, latest activity first",
      query: ConversationsQuery,
      body: NOTHING,
      status: 200,
      answer: Conversations,
      async run({ app, account, query: { next: from, limit } }) {
        const page = await ask({ app, account, command: COMMANDS.conversations, body: { from, limit } });
        const conversations = page.conversations.map((
          { dest, group, head, last, read, unread, name, memberCount },
        ) => ({
          ...(group ? { group: dest, name, memberCount } : { with: dest }),
          head,
          read,
          unread,
          ...(last ? { last: messageOf(last) } : {}),
        }));
        return page.next === "" ? { conversations } : { conversations, next: page.next };
      },
    }),
    route({
      method: "GET",
      path: "accounts/:account/history",
      summary: "Messages of one conversation of an account",
      about:
        "`with` an account, or `group`. Upwards from `after` (default 0), or downwards from `before`; both exclusive.",
      query: HistoryQuery,
      body: NOTHING,
      status: 200,
      answer: History,
      async run({ app, account, query }) {
        const { group, after = 0, before = 0, limit } = query;
        const body = { group: group !== undefined, after, before, limit };
        const dest = group ?? query.with ?? "";
        const asked = ask({ app, account, command: COMMANDS.history, body, dest });
        const { messages, first, head } = await (group === undefined ? asked : groupFound(asked));
        return { messages: messages.map(messageOf), first, head };
      },
    }),
  ];
}
