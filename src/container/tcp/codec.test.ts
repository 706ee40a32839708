import { describe, expect, test } from "bun:test";
import petrel from "../../../tests/vectors/petrel.json" with { type: "json" };
import wire from "../../../tests/vectors/wire.json" with { type: "json" };
import { ImError } from "../../base/errors.ts";
import { encodeBody } from "../../protocol/bodies.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, makeHeader, META_TYPE } from "../../protocol/header.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { META, textMeta } from "../../protocol/meta.ts";
import { decodePacket, encodeBasic, encodeLogic, type LogicPacket, NO_BODY } from "../../protocol/packet.ts";
import type { Downward, Upward } from "../link.ts";
import { decodeDown, encodeDown, splitChannels } from "./down_codec.ts";
import { helloBytes } from "./handshake.ts";
import { withoutAdditions } from "./kim_body.ts";
import { push, talk } from "./link_stand.fixture.ts";
import { decodeUp, encodeUp } from "./up_codec.ts";

interface Row {
  readonly name: string;
  readonly hex: string;
}

function vector(name: string): Uint8Array {
  const row = [...wire as readonly Row[], ...petrel as readonly Row[]].find((one) => one.name === name);
  if (!row) throw new Error(`Cannot find vector ${name}`);
  return Uint8Array.fromHex(row.hex);
}

/** What the gateway of the vectors sends and takes. */
const GATE = "gate01";
const from = (kim: boolean, gateId = GATE) => ({ gateId, kim, startWithinMs: 4_000 });

/** The packet in a vector, as it is inside a process. */
function inside(name: string): LogicPacket {
  return decodePacket(vector(name), LIMITS.link) as LogicPacket;
}

const CLIENT = { gateId: GATE, app: "kim", account: "ann", device: "phone", caps: true, content: "protobuf" } as const;
const KEYED = { key: { scope: "gate01_ann_k3x9_1", n: 7, low: 5 }, again: false } as const;
const ITS_OWN = { gateId: GATE, app: "", account: "", device: "", caps: false, content: "protobuf" } as const;
const OLD = { ...ITS_OWN, app: "kim", account: "test1" } as const;
const NOT_KEYED = { key: undefined, again: false } as const;

/** Each with the milliseconds that are left, and whether it goes to, and comes from, a KIM server. */
const UP: readonly (readonly [string, Omit<Upward, "header" | "body" | "startBy">, number, boolean])[] = [
  ["petrel-login-forwarded", { ...CLIENT, ...KEYED, key: { ...KEYED.key, n: 1, low: 1 } }, 4_000, false],
  ["petrel-user-talk-forwarded", { ...CLIENT, ...KEYED }, 3_990, false],
  ["petrel-user-talk-forwarded-again-on-link", { ...CLIENT, ...KEYED, content: "json", again: true }, 0, false],
  ["petrel-fill-request", { ...ITS_OWN, ...NOT_KEYED }, 4_000, false],
  ["petrel-room-rows-request-on-link", { ...ITS_OWN, ...NOT_KEYED }, 4_000, false],
  ["signout-forwarded-gateway-to-chat", { ...ITS_OWN, ...NOT_KEYED }, 4_000, false],
  ["login-forwarded-gateway-to-chat", { ...OLD, ...NOT_KEYED }, 4_000, true],
  ["user-talk-request-forwarded", { ...OLD, ...NOT_KEYED }, 4_000, true],
  ["signout-forwarded-gateway-to-chat", { ...ITS_OWN, ...NOT_KEYED }, 4_000, true],
];

describe("up a link", () => {
  test.each(UP.map(([name, packet, waitMs, kim]) => ({ name, packet, waitMs, kim })))(
    "$name is exactly these bytes, and is read back (KIM: $kim)",
    ({ name, packet, waitMs, kim }) => {
      const { header, body } = inside(name);
      const plain = { ...header, meta: [] };
      const whole: Upward = { ...packet, header: plain, body, startBy: 1_000 + waitMs };
      expect(encodeUp(whole, kim, 1_000).toHex()).toBe(vector(name).toHex());
      expect(decodeUp(vector(name), from(kim), 1_000)).toEqual(whole);
    },
  );

  test("to KIM goes nothing of ours", () => {
    const { header } = decodePacket(encodeUp(talk({ again: true }), true, 0), LIMITS.link) as LogicPacket;
    expect(header.meta.map(({ key }) => key)).toEqual(["app", "account", "dest.server"]);
  });

  test("what waits for ever stays so, what is late has nothing left", () => {
    for (const [startBy, read] of [[Infinity, Infinity], [-5, 100], [103.2, 104]] as const) {
      expect(decodeUp(encodeUp(talk({ startBy }), false, 100), from(false, "gw1"), 100).startBy).toBe(read);
    }
  });

  test("of a KIM gateway the last text of a key counts: it puts its own behind what a client wrote", () => {
    const ours = [["app", "kim"], ["account", "test1"], ["dest.server", GATE]].map(([key, value]) =>
      textMeta(key!, value!)
    );
    const theirs = [
      textMeta("account", "victim"),
      textMeta("dest.server", "gate09"),
      textMeta("im.caps", "1"),
      textMeta("im.key", "no key"),
      textMeta("im.device", "tv"),
      { key: "app", value: "5", type: META_TYPE.INT },
    ];
    const header = makeHeader("chat.user.talk", {
      channelId: "c",
      flag: FLAG.PUSH,
      status: 404,
      meta: [...theirs, ...ours],
    });
    const read = decodeUp(encodeLogic(header, NO_BODY), from(true), 0);
    expect(read).toMatchObject({ app: "kim", account: "test1", gateId: GATE, caps: false, device: "", key: undefined });
    expect(read.header).toMatchObject({ flag: 0, status: 0, meta: [] });
  });

  const stamped = (...metas: readonly (readonly [string, string])[]): Uint8Array =>
    encodeLogic(
      makeHeader("chat.user.talk", {
        meta: [["dest.server", GATE] as const, ...metas].map(([k, v]) => textMeta(k, v)),
      }),
      NO_BODY,
    );
  test.each([
    { what: "another gateway's", bytes: encodeUp(talk(), false, 0) },
    { what: "without dest.server", bytes: encodeLogic(makeHeader("chat.user.talk"), NO_BODY) },
    { what: "a basic packet", bytes: encodeBasic(1) },
    { what: "garbage", bytes: new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n") },
    { what: "a second handshake", bytes: helloBytes(GATE, "7", 0, undefined) },
    { what: "a content nobody has", bytes: stamped([META.CONTENT, "xml"]) },
    { what: "a wait that is no number", bytes: stamped([META.WAIT, "1e3"]) },
    { what: "a wait that is too long", bytes: stamped([META.WAIT, "4294967296"]) },
    { what: "an empty wait", bytes: stamped([META.WAIT, ""]) },
    { what: "a key without a number", bytes: stamped([META.KEY, "scope 7"]) },
    { what: "a key of words", bytes: stamped([META.KEY, "scope n low"]) },
    { what: "a key without a scope", bytes: stamped([META.KEY, " 7 5"]) },
  ])("$what is refused", ({ bytes }) => {
    expect(() => decodeUp(bytes, from(false), 0)).toThrow(ImError);
  });
});

const TO = { gateId: GATE, own: false, answers: 0, room: undefined, rooms: undefined, receipt: undefined } as const;
const PHONE = "gate01_ann_k3x9_1";
const DOWN: readonly (readonly [string, Omit<Downward, "header" | "body">, boolean])[] = [
  ["petrel-user-talk-response-on-link", { ...TO, channels: [PHONE], positions: [42], answers: 7 }, false],
  ["petrel-user-talk-push-on-link", { ...TO, channels: [PHONE, "gate01_ann_k3x9_2"], positions: [43, 43] }, false],
  [
    "petrel-user-talk-push-own-device-on-link",
    { ...TO, channels: ["gate01_ann_k3x9_2"], positions: [42], own: true },
    false,
  ],
  ["petrel-heads-response-on-link", { ...TO, channels: [], positions: [] }, false],
  ["petrel-room-change-on-link", { ...TO, channels: [PHONE], positions: [] }, false],
  [
    "petrel-login-response-with-rooms-on-link",
    {
      ...TO,
      channels: [PHONE],
      positions: [42],
      rooms: [{ group: "g4wmc1rcz2m8", seq: 300 }, { group: "g4wmc1q1j01s", seq: 7 }],
      generation: 2123884822469009408n,
    },
    false,
  ],
  [
    "petrel-group-talk-response-on-link",
    { ...TO, channels: [PHONE], positions: [], answers: 9, rooms: [{ group: "g4wmc1rcz2m8", seq: 301 }] },
    false,
  ],
  ["petrel-room-push-on-link", { ...TO, channels: [], positions: [], room: { app: "kim", seq: 302 } }, false],
  ["petrel-drain-on-link", { ...TO, channels: [], positions: [] }, false],
  ["login-response-chat-to-gateway", { ...TO, channels: ["gate01_test1_2"], positions: [] }, true],
  [
    "user-talk-push-inner-two-channels",
    { ...TO, gateId: "gate02", channels: ["gate02_test2_5", "gate02_test3_6"], positions: [] },
    true,
  ],
];

describe("down a link", () => {
  test.each(DOWN.map(([name, packet, kim]) => ({ name, packet, kim })))(
    "$name is exactly these bytes, and is read back (KIM: $kim)",
    ({ name, packet, kim }) => {
      const { header, body } = inside(name);
      const whole: Downward = { ...packet, header: { ...header, meta: [] }, body };
      expect(encodeDown(whole, kim).toHex()).toBe(vector(name).toHex());
      expect(decodeDown(vector(name), packet.gateId, kim)).toEqual(whole);
    },
  );

  test("to KIM goes nothing of ours, not in the body either", () => {
    const message = { messageId: 5n, type: 1, body: "hi", sender: "bob", sendTime: 6n };
    const body = encodeBody(pkt.MessagePush, { ...message, seq: 9, clientMsgId: "c-1" });
    const packet = push({ body, answers: 7, own: true, receipt: 4, generation: 9n, rooms: [{ group: "g", seq: 1 }] });
    const read = decodePacket(encodeDown(packet, true), LIMITS.link) as LogicPacket;
    expect(read.header.meta.map(({ key }) => key)).toEqual(["dest.channels", "dest.server"]);
    expect(read.body).toEqual(encodeBody(pkt.MessagePush, message));
  });

  test("positions are only there when one is known; channels without are 0", () => {
    const read = (positions: readonly number[]) => decodeDown(encodeDown(push({ positions }), false), "gw1", false);
    expect(read([0, 0])!.positions).toEqual([]);
    expect(read([0, 7])!.positions).toEqual([0, 7]);
  });

  test("of one key the first text counts", () => {
    const meta = [
      { key: META.DEST_SERVER, value: "5", type: META_TYPE.INT },
      textMeta(META.DEST_SERVER, GATE),
      textMeta(META.DEST_SERVER, "gate02"),
      textMeta(META.DEST_CHANNELS, "a"),
      textMeta(META.DEST_CHANNELS, "b"),
    ];
    const bytes = encodeLogic(makeHeader("chat.user.talk", { flag: FLAG.PUSH, meta }), NO_BODY);
    expect(decodeDown(bytes, GATE, false)!.channels).toEqual(["a"]);
    expect(decodeDown(bytes, "gate02", false)).toBe(undefined);
  });

  test("from KIM nothing of ours is read", () => {
    const room = { app: "kim", seq: 3 };
    const packet = push({ positions: [1, 2], answers: 7, own: true, room, receipt: 4, generation: 9n });
    expect(decodeDown(encodeDown(packet, false), "gw1", true)).toMatchObject({
      positions: [],
      answers: 0,
      own: false,
      room: undefined,
      receipt: undefined,
      generation: undefined,
    });
  });

  const sent = (key: string, value: string) =>
    encodeLogic(
      makeHeader("chat.user.talk", { meta: [textMeta(META.DEST_SERVER, GATE), textMeta(key, value)] }),
      NO_BODY,
    );
  test.each([
    { what: "positions without channels", bytes: sent(META.POS, "1,2") },
    { what: "a position of letters", bytes: sent(META.POS, "x") },
    { what: "a room without a seq", bytes: sent(META.ROOM, "kim") },
    { what: "rooms without an end", bytes: sent(META.ROOMS, "g 1,") },
    { what: "answers below nothing", bytes: sent(META.ANSWERS, "-1") },
    { what: "a generation below nothing", bytes: sent(META.GENERATION, "-1") },
    { what: "a receipt with a point", bytes: sent(META.RECEIPT, "1.5") },
    { what: "a basic packet", bytes: encodeBasic(2) },
  ])("$what is refused", ({ bytes }) => {
    expect(() => decodeDown(bytes, GATE, false)).toThrow(ImError);
  });

  test("many channels go in several packets, each with its positions, none with a header that is too large", () => {
    const channels = Array.from({ length: 20_000 }, (_, i) => `gw1_${"é".repeat(i % 30)}account${i}_1`);
    const packet = push({ channels, positions: channels.map((_, i) => i + 4_000_000_000), receipt: 8 });
    const parts = splitChannels(packet);
    expect(parts.length).toBeGreaterThan(10);
    const read = parts.map((part) => decodeDown(encodeDown(part, false), "gw1", false)!);
    expect(read.flatMap((one) => one.channels)).toEqual(channels);
    expect(read.flatMap((one) => one.positions)).toEqual([...packet.positions]);
    expect(read.every((one) => one.receipt === 8)).toBe(true);
    for (const { channels } of read) {
      expect(new TextEncoder().encode(channels.join()).length).toBeLessThanOrEqual(64 << 10);
    }
    const few = push();
    expect(splitChannels(few)).toEqual([few]);
  });

  test("an account in too many rooms does not break the link", () => {
    const rooms = Array.from({ length: 30_000 }, (_, i) => ({ group: `g4wmc1rc${i}`, seq: i }));
    const read = decodeDown(encodeDown(push({ rooms }), false), "gw1", false)!;
    expect(rooms.slice(0, read.rooms!.length)).toEqual([...read.rooms!]);
    expect(read.rooms!.length).toBeGreaterThan(5_000);
  });
});

test("a body without our fields is what KIM would have written; what is no protobuf stays", () => {
  const full = {
    id: "g",
    name: "boat",
    memberCount: 4,
    head: 7,
    large: true,
    members: [{ alias: "", avatar: "", account: "ann", joinTime: 5n }],
  };
  const { memberCount: _count, head: _head, large: _large, ...kims } = full;
  expect(withoutAdditions(encodeBody(pkt.GroupGetResp, full))).toEqual(encodeBody(pkt.GroupGetResp, kims));
  expect(withoutAdditions(encodeBody(pkt.GroupGetResp, kims))).toEqual(encodeBody(pkt.GroupGetResp, kims));
  for (const hex of ["", "ff", "0aff01", "a20605", "0d0000", "ffffffffffffffffffffff01"]) {
    expect(withoutAdditions(Uint8Array.fromHex(hex)).toHex()).toBe(hex);
  }
  expect(withoutAdditions(Uint8Array.fromHex("a0060108050d00000001")).toHex()).toBe("08050d00000001");
});
