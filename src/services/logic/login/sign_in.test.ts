import { expect, test } from "bun:test";
import { stored, talk } from "../../../../tests/contract/message_talk.ts";
import { LogicStand } from "../../../../tests/support/logic_stand.ts";
import { systemClock } from "../../../base/clock.ts";
import { decodeBody, EMPTY, encodeBody } from "../../../protocol/bodies.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { FLAG } from "../../../protocol/header.ts";
import type { Session } from "../../../session/store.ts";

const LOGIN = [pkt.Session, pkt.LoginResp] as const;
const BOB = { app: "kim", account: "bob", device: "" };

/** Bob's login elsewhere, by a server whose clock is far ahead of this one's. */
function ahead(): Session {
  const where = { channelId: "elsewhere", gateId: "gw", incarnation: "", content: "protobuf" as const };
  return { ...BOB, ...where, generation: 500n, remoteIp: "", zone: "", isp: "", tags: [] };
}

test("a login is its device's newest also when another server's clock is ahead, and its gateway learns which it is", async () => {
  await using at = await LogicStand.start();
  await at.sessions.add(ahead());
  await at.ask("bob", "login.signin", LOGIN, BOB);
  expect(at.down.find(({ header }) => header.flag === FLAG.RESPONSE)!.generation).toBe(501n);
  expect(at.down.find(({ header }) => header.flag === FLAG.PUSH)!.channels).toEqual(["elsewhere"]);
  const [bob] = await at.sessions.locate("kim", ["bob"]);
  expect(await at.sessions.get(bob!.channelId)).toMatchObject({ channelId: "channel of bob", generation: 501n });
});

test("a login that stood still before it was stored does not put a newer one out", async () => {
  await using at = await LogicStand.start();
  const { sessions } = at, add = sessions.add.bind(sessions);
  const startBy = systemClock.mono() + 20;
  sessions.add = async (session) => {
    await add(ahead());
    while (systemClock.mono() <= startBy) await new Promise((go) => setTimeout(go, 5));
    return await add(session);
  };
  await expect(at.ask("bob", "login.signin", LOGIN, BOB, { startBy })).rejects.toThrow("status 302");
  expect((await sessions.locate("kim", ["bob"])).map(({ channelId }) => channelId)).toEqual(["elsewhere"]);
  expect(at.down.filter(({ header }) => header.flag === FLAG.PUSH)).toEqual([]);
});

test("of what a gateway puts back the older login of a device is kicked out, whoever has it", async () => {
  await using at = await LogicStand.start();
  const kickedBy = async (channelId: string, generation: bigint): Promise<string[]> => {
    const sessions = [decodeBody(pkt.Session, encodeBody(pkt.Session, { ...BOB, channelId, generation }))];
    at.down.length = 0;
    await at.ask("bob", "im.restore", [pkt.RestoreReq, EMPTY], { sessions });
    const pushes = at.down.filter(({ header }) => header.flag === FLAG.PUSH);
    return pushes.map(({ body }) => decodeBody(pkt.KickoutNotify, body).channelId);
  };
  expect(await kickedBy("old", 7n)).toEqual([]);
  expect(await kickedBy("new", 9n)).toEqual(["old"]);
  expect(await kickedBy("old", 7n)).toEqual(["old"]);
  expect((await at.sessions.locate("kim", ["bob"])).map(({ channelId }) => channelId)).toEqual(["new"]);
});

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
