import { expect, test } from "bun:test";
import { decodeBody, encodeBody } from "../../protocol/bodies.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, makeHeader } from "../../protocol/header.ts";
import { Bench, Wire } from "./gateway_bench.fixture.ts";

const asked = (bench: Bench, command: string) => bench.logic.up.filter(({ header }) => header.command === command);

test("a push that asks for it is answered with who took it and who is gone; without, the gateway signs out who is gone", () => {
  const bench = new Bench();
  const ann = bench.login(new Wire());
  bench.push(ann, 1, { channels: [ann.id, "gw_bob_1"], positions: [1, 0], receipt: 64 });
  expect(asked(bench, "im.receipt").map(({ body }) => decodeBody(pkt.Receipt, body))).toEqual([
    { id: 64, taken: [ann.id], gone: ["gw_bob_1"] },
  ]);
  expect(asked(bench, "login.signout")).toEqual([]);
  bench.push(ann, 2, { channels: [ann.id, "gw_bob_1"], positions: [2, 0] });
  expect(asked(bench, "im.receipt").length).toBe(1);
  expect(asked(bench, "login.signout").map(({ header }) => header.channelId)).toEqual(["gw_bob_1"]);
});

test("a kick-out and a change of rooms are confirmed too", () => {
  const bench = new Bench();
  const ann = bench.login(new Wire());
  const push = { body: encodeBody(pkt.RoomChange, { app: "kim", groupId: "g1", joined: true }), receipt: 1 };
  bench.push(ann, 0, { ...push, header: makeHeader("im.room", { flag: FLAG.PUSH }) });
  const kick = { body: encodeBody(pkt.KickoutNotify, { channelId: ann.id }), receipt: 2 };
  bench.push(ann, 0, { ...kick, header: makeHeader("login.signin", { flag: FLAG.PUSH }) });
  expect(ann.state).toBe("kicked");
  const receipts = asked(bench, "im.receipt").map(({ body }) => decodeBody(pkt.Receipt, body));
  expect(receipts).toEqual([{ id: 1, taken: [ann.id], gone: [] }, { id: 2, taken: [ann.id], gone: [] }]);
});

test("a receipt that its server does not take: the gateway signs out who is gone, elsewhere", () => {
  const bench = new Bench();
  const ann = bench.login(new Wire());
  const two = bench.addLogic("chat2");
  bench.gateway.down({
    header: makeHeader("chat.user.talk", { flag: FLAG.PUSH }),
    body: encodeBody(pkt.MessagePush, {}),
    gateId: "gw",
    channels: [ann.id, "gw_bob_1"],
    positions: [0, 0],
    own: false,
    answers: 0,
    receipt: 5,
  }, { ...two.link.uplink, state: "closed", send: () => false });
  expect(asked(bench, "im.receipt")).toEqual([]);
  const out = [...asked(bench, "login.signout"), ...two.up.filter(({ header }) => header.command === "login.signout")];
  expect(out.map(({ header }) => header.channelId)).toEqual(["gw_bob_1"]);
});
