import { expect, test } from "bun:test";
import { COMMANDS } from "../protocol/commands.ts";
import * as commands from "./commands.ts";

test("the SDK's command names are those of the protocol's table", () => {
  const { signIn, userTalk, talkAck, sync } = COMMANDS;
  expect(commands).toMatchObject({
    SIGN_IN: signIn.name,
    USER_TALK: userTalk.name,
    TALK_ACK: talkAck.name,
    SYNC: sync.name,
  });
});
