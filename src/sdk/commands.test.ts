import { expect, test } from "bun:test";
import { COMMANDS } from "../protocol/commands.ts";
import * as commands from "./commands.ts";

test("the SDK's command names are those of the protocol's table", () => {
  const { signIn, userTalk, groupTalk, talkAck, sync, history, conversations, read } = COMMANDS;
  const { groupCreate, groupJoin, groupQuit, groupDetail, groupMembers } = COMMANDS;
  expect<Record<string, string>>({ ...commands }).toEqual({
    SIGN_IN: signIn.name,
    USER_TALK: userTalk.name,
    GROUP_TALK: groupTalk.name,
    TALK_ACK: talkAck.name,
    SYNC: sync.name,
    GROUP_CREATE: groupCreate.name,
    GROUP_JOIN: groupJoin.name,
    GROUP_QUIT: groupQuit.name,
    GROUP_DETAIL: groupDetail.name,
    GROUP_MEMBERS: groupMembers.name,
    HISTORY: history.name,
    CONVERSATIONS: conversations.name,
    READ: read.name,
  });
});
