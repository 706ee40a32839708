import { expect, test } from "bun:test";
import { stored, talk } from "../../../../tests/contract/message_talk.ts";
import { LogicStand } from "../../../../tests/support/logic_stand.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";

const LOGIN = [pkt.Session, pkt.LoginResp] as const;

test("a login says whether everything after its cursor follows, and why not", async () => {
  await using at = await LogicStand.start();
  const { store } = at;
  const login = async (cursor: number, epoch: string): Promise<string> => {
    const session = { app: "kim", account: "bob", device: "", cursor, epoch };
    const { recovered, reason } = await at.ask("bob", "login.signin", LOGIN, session);
    expect(recovered).toBe(reason === "");
    return reason;
  };
  for (let i = 0; i < 2; i++) await stored(store, talk("ann", "bob"));
  const third = await stored(store, talk("ann", "bob"));
  const [{ epoch } = { epoch: "" }] = await store.heads("kim", ["bob"]);
  expect(await login(1, epoch)).toBe("");
  expect(await store.removeBefore(third.sendTime, 10)).toBe(2);
  expect(await login(1, epoch)).toBe("trimmed"); // the second is gone for good
  expect(await login(2, epoch)).toBe("");
  expect(await login(3, epoch)).toBe("");
  expect(await login(4, epoch)).toBe("epoch");
  expect(await login(2, "7")).toBe("epoch");
  expect(await login(0, "")).toBe("no cursor");
});
