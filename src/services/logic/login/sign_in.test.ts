import { expect, test } from "bun:test";
import { stored, talk } from "../../../../tests/contract/message_talk.ts";
import { tempDir } from "../../../../tests/support/temp.ts";
import { systemClock } from "../../../base/clock.ts";
import { silent } from "../../../base/logger.ts";
import { Metrics } from "../../../base/metrics.ts";
import type { Downward } from "../../../container/link.ts";
import { Batcher } from "../../../message/batcher.ts";
import { openSqliteStore } from "../../../message/sqlite.ts";
import { decodeBody, encodeBody } from "../../../protocol/bodies.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { makeHeader } from "../../../protocol/header.ts";
import { MemorySessionStore } from "../../../session/memory.ts";
import { LogicServer } from "../logic.ts";

test("a login says whether everything after its cursor follows, and why not", async () => {
  await using dir = await tempDir();
  await using store = await openSqliteStore({ directory: dir.path });
  await using batcher = new Batcher(store, { clock: systemClock });
  const down: Downward[] = [];
  const link = { peerId: "gw", state: "open" as const, send: (packet: Downward) => down.push(packet) > 0 };
  const around = { clock: systemClock, log: silent, metrics: new Metrics(), newGeneration: () => 1n };
  const sessions = new MemorySessionStore(systemClock, { devices: 16 });
  const logic = new LogicServer({ ...around, sessions, messages: store, batcher });
  const login = async (cursor: number, epoch: string): Promise<string> => {
    const session = { app: "kim", account: "bob", device: "", cursor, epoch };
    const stamped = { gateId: "gw", key: undefined, startBy: Infinity, again: false, content: "protobuf" as const };
    const who = { app: "kim", account: "bob", device: "", caps: true };
    const header = makeHeader("login.signin", { channelId: `c${down.length}` });
    logic.up({ header, body: encodeBody(pkt.Session, session), ...who, ...stamped }, link);
    await logic.drained();
    const { recovered, reason } = decodeBody(pkt.LoginResp, down.at(-1)!.body);
    expect(recovered).toBe(reason === "");
    return reason;
  };
  const third = await stored(store, talk("ann", "bob")).then(async () => {
    await stored(store, talk("ann", "bob"));
    return await stored(store, talk("ann", "bob"));
  });
  const [head] = await store.heads("kim", ["bob"]);
  const { epoch } = head!;
  expect(await login(1, epoch)).toBe("");
  expect(await store.removeBefore(third.sendTime, 10)).toBe(2);
  expect(await login(1, epoch)).toBe("trimmed"); // the second is gone for good
  expect(await login(2, epoch)).toBe("");
  expect(await login(3, epoch)).toBe("");
  expect(await login(4, epoch)).toBe("epoch");
  expect(await login(2, "7")).toBe("epoch");
  expect(await login(0, "")).toBe("no cursor");
});
