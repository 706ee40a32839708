import { expect, test } from "bun:test";
import type { Content } from "../protocol/body_codec.ts";
import { decodeAs } from "../protocol/content.ts";
import * as pkt from "../protocol/gen/pkt_messages.ts";
import { FLAG, makeHeader } from "../protocol/header.ts";
import type { Target } from "../protocol/route.ts";
import { dispatch } from "./dispatch.ts";
import type { Downlink, Downward } from "./link.ts";

const request = makeHeader("chat.user.talk", { channelId: "g1_ann_1", sequence: 7, status: 5, dest: "bob" });
const message = { messageId: 5n, body: "hi" };

function target(gateId: string, channelId: string, content: Content, more: Partial<Target> = {}): Target {
  return { gateId, channelId, content, pos: 3, own: false, ...more };
}

/** Sends to gateways g1 and g2, of which g2 may take nothing. */
function sent(targets: readonly Target[], g2 = true) {
  const packets: Downward[] = [];
  const link = (peerId: string, open: boolean): [string, Downlink] => [peerId, {
    peerId,
    incarnation: "",
    send: (packet) => open && packets.push(packet) > 0,
  }];
  const missed = dispatch(
    new Map([link("g1", true), link("g2", g2)]),
    request,
    "chat.user.talk",
    targets,
    pkt.MessagePush,
    message,
  );
  return { packets, missed };
}

test("one packet per gateway and content, each with its channels and their positions", () => {
  const { packets, missed } = sent([
    target("g1", "a", "protobuf"),
    target("g2", "b", "json"),
    target("g1", "c", "json", { pos: 4 }),
    target("g1", "d", "protobuf", { pos: 9 }),
    target("g2", "e", "msgpack"),
  ]);
  expect(missed).toBe(0);
  expect(packets.map(({ gateId, channels, positions }) => [gateId, channels, positions])).toEqual([
    ["g1", ["a", "d"], [3, 9]],
    ["g2", ["b"], [3]],
    ["g1", ["c"], [4]],
    ["g2", ["e"], [3]],
  ]);
});

test("the message is encoded once per content, and is the same in all", () => {
  const { packets } = sent([
    target("g1", "a", "json"),
    target("g2", "b", "json"),
    target("g1", "c", "protobuf"),
    target("g1", "d", "msgpack"),
  ]);
  const [one, other, plain, packed] = packets.map(({ body }) => body);
  expect(one).toBe(other!);
  for (const [content, body] of [["json", one!], ["protobuf", plain!], ["msgpack", packed!]] as const) {
    expect(decodeAs(content, pkt.MessagePush, body)).toMatchObject(message);
  }
});

test("the account's own devices get a packet of their own", () => {
  const { packets } = sent([target("g1", "a", "json"), target("g1", "b", "json", { own: true })]);
  expect(packets.map(({ channels, own }) => [channels, own])).toEqual([[["a"], false], [["b"], true]]);
});

test("a gateway without a link, or that takes nothing, is counted by its channels; the others are served", () => {
  const targets = [target("g3", "a", "json"), target("g2", "b", "json"), target("g2", "c", "json")];
  const { packets, missed } = sent([...targets, target("g1", "d", "json")], false);
  expect(missed).toBe(3);
  expect(packets.map(({ channels }) => channels)).toEqual([["d"]]);
});

test("a push says nothing of the sender's status, and is one", () => {
  const [packet] = sent([target("g1", "a", "protobuf")]).packets;
  expect(packet!.header).toMatchObject({ flag: FLAG.PUSH, status: 0, sequence: 7, channelId: "g1_ann_1", dest: "bob" });
});
