import { expect, test } from "bun:test";
import { group, groupTalk } from "../../../../tests/contract/group_talk.ts";
import { stored } from "../../../../tests/contract/message_talk.ts";
import { LogicStand } from "../../../../tests/support/logic_stand.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { PAGES } from "../../../protocol/limits.ts";

const INDEX = [pkt.MessageIndexReq, pkt.MessageIndexResp] as const;

test("an old client's index has what follows a whole page of its account's own messages in a large group", async () => {
  await using at = await LogicStand.start();
  const { id } = await at.store.createGroup(group("ann", ["bob", "cid"]));
  const own = Array.from({ length: PAGES.indexes }, () => groupTalk("ann", id));
  await at.store.append(own);
  const other = await stored(at.store, groupTalk("bob", id));
  const { indexes } = await at.ask("ann", "chat.offline.index", INDEX, {}, { caps: false });
  expect(indexes.map((row) => row.messageId)).toEqual([other.messageId]);
});
