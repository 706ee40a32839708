import { expect, test } from "bun:test";
import { COMMANDS } from "../protocol/commands.ts";
import * as commands from "./commands.ts";
import * as sdk from "./mod.ts";

test("the SDK gives out these values and no others", () => {
  expect(Object.keys(sdk).sort()).toEqual(["CLOSE", "ImError", "MemoryStorage", "PetrelClient", "connectWebSocket"]);
});

test("the SDK's command names are those of the protocol's table", () => {
  const { signIn, userTalk, talkAck, sync } = COMMANDS;
  expect(commands).toMatchObject({
    SIGN_IN: signIn.name,
    USER_TALK: userTalk.name,
    TALK_ACK: talkAck.name,
    SYNC: sync.name,
  });
});
