/**
 * Writes tests/vectors/petrel.json, the vectors of what we add to KIM's protocol: `bun scripts/gen_vectors.ts`. The
 * bytes are made here by other means than src/protocol (protobufjs by reflection, a DataView), so that the test
 * compares two encoders. Rows have the form of wire.json. Long because it is mostly that table.
 */
import { createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { encodePlain, type Plain } from "../tests/vectors/reflect.ts";
import { CHOICES, chosen } from "./choice_vectors.ts";

const PHONE = "gate01_ann_k3x9_1";
const text = (key: string, value: string): Plain => ({ key, value, type: 1 });

const forwarded = (...metas: Plain[]): Plain[] => [
  text("app", "kim"),
  text("account", "ann"),
  text("dest.server", "gate01"),
  text("im.device", "phone"),
  text("im.caps", "1"),
  ...metas,
];
const down = (channels: string, ...metas: Plain[]): Plain[] => [
  text("dest.channels", channels),
  text("dest.server", "gate01"),
  ...metas,
];

const GROUP = "g4wmc1rcz2m8";

const push = {
  messageId: "2123884822469009408",
  type: 1,
  body: "hi",
  extra: "",
  sender: "bob",
  sendTime: "1795208576205624029",
};

/** Of Ann's login. */
const GENERATION = "2123884822469009408";
const session = {
  channelId: PHONE,
  gateId: "gate01",
  account: "ann",
  zone: "SH",
  isp: "mobile",
  remoteIP: "127.0.0.1",
  device: "phone",
  app: "kim",
  tags: ["ios"],
};

const INPUTS: { name: string; kind: string; input: Plain }[] = [
  { name: "petrel-pong-with-head", kind: "basic", input: { code: 2, bodyHex: "000000000000002a" } },
  logic(
    "petrel-login-request",
    {
      command: "login.signin",
      sequence: 1,
      meta: [text("im.device", "phone"), text("im.caps", "1"), text("im.content", "protobuf")],
    },
    "LoginReq",
    { token: "t", tags: ["ios"], cursor: 41, epoch: "3f2a" },
  ),
  logic(
    "petrel-login-forwarded",
    {
      command: "login.signin",
      channelId: PHONE,
      sequence: 1,
      meta: forwarded(text("im.key", `${PHONE} 1 1`), text("im.wait", "4000")),
    },
    "Session",
    { ...session, cursor: 41, epoch: "3f2a" },
  ),
  logic(
    "petrel-login-response-recovered",
    { command: "login.signin", channelId: PHONE, sequence: 1, flag: 1 },
    "LoginResp",
    {
      channelId: PHONE,
      account: "ann",
      recovered: true,
      head: 42,
      epoch: "3f2a",
      acked: 40,
      heartbeat_ms: 25000,
    },
  ),
  logic(
    "petrel-login-response-too-far",
    { command: "login.signin", channelId: PHONE, sequence: 1, flag: 1 },
    "LoginResp",
    {
      channelId: PHONE,
      account: "ann",
      reason: "too far",
      head: 4294967295,
      epoch: "3f2a",
      heartbeat_ms: 25000,
    },
  ),
  logic("petrel-signout-request", { command: "login.signout", sequence: 2 }),
  logic("petrel-user-talk-request", { command: "chat.user.talk", sequence: 3, dest: "bob" }, "MessageReq", {
    type: 1,
    body: "hello 你好 😀",
    client_msg_id: "c-1",
  }),
  logic(
    "petrel-user-talk-forwarded",
    {
      command: "chat.user.talk",
      channelId: PHONE,
      sequence: 3,
      dest: "bob",
      meta: forwarded(text("im.key", `${PHONE} 7 5`), text("im.wait", "3990")),
    },
    "MessageReq",
    { type: 1, body: "hello", client_msg_id: "c-1" },
  ),
  logic(
    "petrel-user-talk-response-on-link",
    {
      command: "chat.user.talk",
      channelId: PHONE,
      sequence: 3,
      flag: 1,
      dest: "bob",
      meta: down(PHONE, text("im.pos", "42"), text("im.answers", "7")),
    },
    "MessageResp",
    { messageId: "9007199254740993", sendTime: "1628644843872655001", seq: 5, user_seq: 42 },
  ),
  logic(
    "petrel-user-talk-response",
    { command: "chat.user.talk", channelId: PHONE, sequence: 3, flag: 1, dest: "bob" },
    "MessageResp",
    {
      messageId: "9007199254740993",
      sendTime: "1628644843872655001",
      seq: 5,
      user_seq: 42,
    },
  ),
  logic(
    "petrel-user-talk-push-on-link",
    {
      command: "chat.user.talk",
      channelId: "gate02_bob_k3x9_4",
      sequence: 9,
      flag: 2,
      dest: "ann",
      meta: down(`${PHONE},gate01_ann_k3x9_2`, text("im.pos", "43,43")),
    },
    "MessagePush",
    { ...push, seq: 6 },
  ),
  logic(
    "petrel-user-talk-push-own-device-on-link",
    {
      command: "chat.user.talk",
      channelId: PHONE,
      sequence: 3,
      flag: 2,
      dest: "bob",
      meta: down("gate01_ann_k3x9_2", text("im.pos", "42"), text("im.own", "1")),
    },
    "MessagePush",
    { ...push, sender: "ann", seq: 5, client_msg_id: "c-1" },
  ),
  logic(
    "petrel-user-talk-push",
    {
      command: "chat.user.talk",
      channelId: "gate02_bob_k3x9_4",
      sequence: 9,
      flag: 2,
      dest: "ann",
      meta: [text("im.pos", "43")],
    },
    "MessagePush",
    { ...push, seq: 6 },
  ),
  logic(
    "petrel-error-duplicate-id",
    {
      command: "chat.user.talk",
      channelId: PHONE,
      sequence: 4,
      flag: 1,
      status: 102,
      dest: "bob",
    },
    "ErrorResp",
    { message: "same id, other content" },
  ),
  logic(
    "petrel-error-busy",
    { command: "chat.user.talk", channelId: PHONE, sequence: 5, flag: 1, status: 302 },
    "ErrorResp",
    {
      message: "busy",
    },
  ),
  logic("petrel-ack-by-position", { command: "chat.talk.ack", sequence: 6 }, "MessageAckReq", { user_seq: 43 }),
  logic("petrel-sync-request", { command: "chat.sync", sequence: 7 }, "SyncReq", { after: 40, limit: 2, up_to: 43 }),
  logic("petrel-sync-request-from-start", { command: "chat.sync", sequence: 8 }, "SyncReq", {}),
  logic("petrel-sync-response", { command: "chat.sync", channelId: PHONE, sequence: 7, flag: 1 }, "SyncResp", {
    messages: [
      { ...push, seq: 4, user_seq: 41, dest: "ann" },
      { ...push, seq: 9, user_seq: 42, dest: "g4wmc1q1j01s", client_msg_id: "c-9", group: true },
    ],
    head: 43,
    epoch: "3f2a",
    scanned_to: 42,
  }),
  logic(
    "petrel-fill-request",
    { command: "im.fill", sequence: 11, meta: [text("dest.server", "gate01"), text("im.wait", "4000")] },
    "FillReq",
    {
      app: "kim",
      account: "ann",
      after: 41,
      up_to: 43,
      limit: 200,
    },
  ),
  logic(
    "petrel-heads-request",
    { command: "im.heads", sequence: 12, meta: [text("dest.server", "gate01"), text("im.wait", "4000")] },
    "HeadsReq",
    {
      items: [
        { app: "kim", account: "ann", channel_id: PHONE },
        { app: "other", account: "ann" },
      ],
    },
  ),
  logic(
    "petrel-heads-response-on-link",
    {
      command: "im.heads",
      sequence: 12,
      flag: 1,
      meta: [text("dest.server", "gate01")],
    },
    "HeadsResp",
    { positions: [43, 0, 300] },
  ),
  logic(
    "petrel-heads-response-with-missing",
    { command: "im.heads", sequence: 16, flag: 1, meta: [text("dest.server", "gate01")] },
    "HeadsResp",
    { positions: [43, 7], missing: [PHONE] },
  ),
  logic(
    "petrel-restore-request",
    { command: "im.restore", sequence: 17, meta: [text("dest.server", "gate01"), text("im.wait", "4000")] },
    "RestoreReq",
    {
      sessions: [
        { ...session, content: "json", generation: GENERATION },
        { channelId: "gate01_bob_k3x9_2", gateId: "gate01", account: "bob", remoteIP: "unix", app: "other" },
      ],
    },
  ),
  logic("petrel-restore-response-on-link", {
    command: "im.restore",
    sequence: 17,
    flag: 1,
    meta: [text("dest.server", "gate01")],
  }),
  logic(
    "petrel-user-talk-push-with-receipt-on-link",
    {
      command: "chat.user.talk",
      channelId: "gate02_bob_k3x9_4",
      sequence: 9,
      flag: 2,
      dest: "ann",
      meta: down(`${PHONE},gate01_ann_k3x9_2`, text("im.pos", "44,44"), text("im.receipt", "64")),
    },
    "MessagePush",
    { ...push, seq: 7 },
  ),
  logic(
    "petrel-receipt",
    { command: "im.receipt", sequence: 18, meta: [text("dest.server", "gate01"), text("im.wait", "4000")] },
    "Receipt",
    { id: 64, taken: [PHONE], gone: ["gate01_ann_k3x9_2"] },
  ),
  logic("petrel-drain-on-link", { command: "im.drain", flag: 2, meta: [text("dest.server", "gate01")] }),
  logic("petrel-look-on-link", { command: "im.look", flag: 2, meta: [text("dest.server", "gate01")] }),
  logic(
    "petrel-login-response-with-rooms",
    { command: "login.signin", channelId: PHONE, sequence: 1, flag: 1 },
    "LoginResp",
    {
      channelId: PHONE,
      account: "ann",
      head: 42,
      epoch: "3f2a",
      rooms: [{ group_id: GROUP, joined_seq: 7, head: 300 }],
    },
  ),
  logic("petrel-group-talk-request", { command: "chat.group.talk", sequence: 5, dest: GROUP }, "MessageReq", {
    type: 1,
    body: "all hands",
    client_msg_id: "c-2",
  }),
  logic("petrel-group-members-request", { command: "chat.group.members", sequence: 6 }, "GroupMembersReq", {
    group_id: GROUP,
    from: "9ix",
    limit: 500,
  }),
  logic(
    "petrel-group-members-response",
    { command: "chat.group.members", channelId: PHONE, sequence: 6, flag: 1 },
    "GroupMembersResp",
    { members: [{ account: "bob", join_time: "1795208576" }], next: "9iy", member_count: 501 },
  ),
  logic(
    "petrel-group-detail-response",
    { command: "chat.group.detail", channelId: PHONE, sequence: 7, flag: 1 },
    "GroupGetResp",
    {
      id: GROUP,
      name: "boat",
      owner: "ann",
      members: [{ account: "ann", join_time: "1795208576" }],
      created_at: "1795208576",
      member_count: 1,
      head: 300,
      large: true,
    },
  ),
  logic(
    "petrel-history-request-down",
    { command: "chat.history", sequence: 8, dest: GROUP },
    "HistoryReq",
    { group: true, before: 250, limit: 50 },
  ),
  logic("petrel-history-request-up", { command: "chat.history", sequence: 9, dest: "bob" }, "HistoryReq", {
    after: 41,
    limit: 50,
  }),
  logic(
    "petrel-history-response",
    { command: "chat.history", channelId: PHONE, sequence: 8, flag: 1, dest: GROUP },
    "HistoryResp",
    { messages: [{ ...push, seq: 249, dest: GROUP, group: true }], first: 8, head: 300 },
  ),
  logic("petrel-conversations-request", { command: "chat.conversations", sequence: 10 }, "ConversationsReq", {
    limit: 100,
  }),
  logic(
    "petrel-conversations-response",
    { command: "chat.conversations", channelId: PHONE, sequence: 10, flag: 1 },
    "ConversationsResp",
    {
      conversations: [
        {
          dest: GROUP,
          group: true,
          head: 300,
          last: { ...push, seq: 300, dest: GROUP, group: true },
          read: 298,
          unread: 2,
          name: "boat",
          member_count: 501,
          large: true,
        },
        { dest: "bob", head: 9, read: 9 },
      ],
      next: "g4wmc1rcz2m8",
    },
  ),
  logic("petrel-read-request", { command: "chat.read", sequence: 11, dest: "bob" }, "ReadReq", { seq: 9 }),
  logic(
    "petrel-read-response",
    { command: "chat.read", channelId: PHONE, sequence: 11, flag: 1, dest: "bob" },
    "ReadResp",
    { seq: 9 },
  ),
  logic("petrel-read-push", { command: "chat.read", channelId: PHONE, sequence: 11, flag: 2, dest: "bob" }, "ReadReq", {
    seq: 9,
  }),
  logic(
    "petrel-room-change-on-link",
    { command: "im.room", flag: 2, meta: down(PHONE) },
    "RoomChange",
    { app: "kim", group_id: GROUP, joined: true, seq: 300 },
  ),
  logic(
    "petrel-room-fill-request-on-link",
    { command: "im.room.fill", sequence: 13, meta: [text("dest.server", "gate01"), text("im.wait", "4000")] },
    "RoomFillReq",
    { app: "kim", group_id: GROUP, after: 298, limit: 64 },
  ),
  logic(
    "petrel-room-heads-request-on-link",
    { command: "im.room.heads", sequence: 14, meta: [text("dest.server", "gate01"), text("im.wait", "4000")] },
    "RoomHeadsReq",
    { items: [{ app: "kim", group_id: GROUP }] },
  ),
  logic(
    "petrel-room-heads-response-on-link",
    { command: "im.room.heads", sequence: 14, flag: 1, meta: [text("dest.server", "gate01")] },
    "RoomHeadsResp",
    { heads: [300] },
  ),
  logic(
    "petrel-room-check-request-on-link",
    { command: "im.room.check", sequence: 19, meta: [text("dest.server", "gate01"), text("im.wait", "4000")] },
    "RoomCheckReq",
    { items: [{ app: "kim", account: "ann", digest: 3041320418 }, { app: "kim", account: "bob" }] },
  ),
  logic(
    "petrel-room-check-response-on-link",
    { command: "im.room.check", sequence: 19, flag: 1, meta: [text("dest.server", "gate01")] },
    "RoomCheckResp",
    { results: [{ item: 1, rooms: [{ group_id: GROUP, joined_seq: 7, head: 300 }] }] },
  ),
  logic(
    "petrel-room-rows-request-on-link",
    { command: "im.room.rows", sequence: 15, meta: [text("dest.server", "gate01"), text("im.wait", "4000")] },
    "RoomRowsReq",
    { app: "kim", accounts: ["old1", "old2"] },
  ),
  logic(
    "petrel-room-rows-response-on-link",
    { command: "im.room.rows", sequence: 15, flag: 1, meta: [text("dest.server", "gate01")] },
    "RoomRowsResp",
    {
      heads: [12, 7],
      rows: [{ group_id: GROUP, seq: 300, pos: 12 }, { account: 1, group_id: GROUP, seq: 300, pos: 7 }],
    },
  ),
  logic(
    "petrel-user-talk-forwarded-again-on-link",
    {
      command: "chat.user.talk",
      channelId: PHONE,
      sequence: 3,
      dest: "bob",
      meta: forwarded(
        text("im.content", "json"),
        text("im.key", `${PHONE} 7 5`),
        text("im.wait", "0"),
        text("im.again", "1"),
      ),
    },
  ),
  logic(
    "petrel-login-response-with-rooms-on-link",
    {
      command: "login.signin",
      channelId: PHONE,
      sequence: 1,
      flag: 1,
      meta: down(
        PHONE,
        text("im.pos", "42"),
        text("im.rooms", `${GROUP} 300,g4wmc1q1j01s 7`),
        text("im.generation", GENERATION),
      ),
    },
    "LoginResp",
    { channelId: PHONE, account: "ann", head: 42, epoch: "3f2a" },
  ),
  logic(
    "petrel-group-talk-response-on-link",
    {
      command: "chat.group.talk",
      channelId: PHONE,
      sequence: 5,
      flag: 1,
      dest: GROUP,
      meta: down(PHONE, text("im.answers", "9"), text("im.rooms", `${GROUP} 301`)),
    },
    "MessageResp",
    { messageId: "9007199254740994", sendTime: "1628644843872655002", seq: 301 },
  ),
  logic(
    "petrel-room-push-on-link",
    {
      command: "chat.group.talk",
      channelId: "gate02_bob_k3x9_4",
      sequence: 9,
      flag: 2,
      dest: GROUP,
      meta: [text("dest.server", "gate01"), text("im.room", "kim 302")],
    },
    "MessagePush",
    { ...push, seq: 302 },
  ),
  logic(
    "petrel-group-request-on-link",
    {
      command: "im.group",
      sequence: 18,
      meta: [text("app", "kim"), text("dest.server", "api01"), text("im.caps", "1"), text("im.wait", "4000")],
    },
    "GroupGetReq",
    { group_id: GROUP },
  ),
  logic(
    "petrel-group-members-of-request-on-link",
    {
      command: "im.group.members",
      sequence: 19,
      meta: [text("app", "kim"), text("dest.server", "api01"), text("im.caps", "1"), text("im.wait", "4000")],
    },
    "GroupMembersReq",
    { group_id: GROUP, limit: 100 },
  ),
  {
    name: "petrel-handshake",
    kind: "tcpFrame",
    input: {
      opcode: 2,
      payload: {
        kind: "proto",
        input: {
          type: "InnerHandshakeReq",
          value: {
            ServiceId: "gate01",
            incarnation: "2123884822469009408",
            time_ms: "1795208576205",
            // HMAC-SHA256 with the secret "cluster-test-secret-of-32-bytes!".
            proof: createHmac("sha256", "cluster-test-secret-of-32-bytes!")
              .update("gate01\n2123884822469009408\n1795208576205").digest("base64url"),
          },
        },
      },
    },
  },
  {
    name: "petrel-handshake-answer-refused",
    kind: "proto",
    input: {
      type: "InnerHandshakeResponse",
      value: { Code: 105, Error: "another cluster secret", service_id: "chat01" },
    },
  },
  {
    name: "petrel-handshake-answer",
    kind: "proto",
    input: { type: "InnerHandshakeResponse", value: { service_id: "chat01" } },
  },
  {
    name: "petrel-group-join-asked-again",
    kind: "proto",
    input: {
      type: "ChangeMembersReq",
      value: {
        app: "kim",
        group: GROUP,
        accounts: ["ann"],
        by: "ann",
        wait_ms: 4294967295,
        key: { scope: PHONE, n: "2", low: "1" },
        again: true,
      },
    },
  },
  ...CHOICES,
];

function logic(
  name: string,
  header: Plain,
  bodyType?: string,
  body?: Plain,
): { name: string; kind: string; input: Plain } {
  return { name, kind: "logic", input: { header, ...(bodyType ? { bodyType, body } : {}) } };
}

function bytesOf(kind: string, input: Plain): Uint8Array {
  switch (kind) {
    case "basic": {
      const body = Uint8Array.fromHex(String(input["bodyHex"]));
      return join(u32(0xc315a765), u16(Number(input["code"])), u16(body.length), body);
    }
    case "logic": {
      const header = encodePlain("Header", input["header"] as Plain);
      const type = input["bodyType"] as string | undefined;
      const body = type ? encodePlain(type, input["body"] as Plain) : new Uint8Array(0);
      return join(u32(0xc311a365), u32(header.length), header, u32(body.length), body);
    }
    case "proto":
      return encodePlain(String(input["type"]), input["value"] as Plain);
    case "tcpFrame": {
      const inner = input["payload"] as { kind: string; input: Plain };
      const payload = bytesOf(inner.kind, inner.input);
      return join(Uint8Array.of(Number(input["opcode"])), u32(payload.length), payload);
    }
    case "choice":
      return new TextEncoder().encode(chosen(input));
    default:
      throw new Error(`Cannot make vector: no kind ${kind}`);
  }
}

function u16(value: number): Uint8Array {
  const bytes = new Uint8Array(2);
  new DataView(bytes.buffer).setUint16(0, value);
  return bytes;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

if (process.argv.includes("--help")) {
  console.log("gen_vectors: writes tests/vectors/petrel.json. No options.");
} else {
  const rows = INPUTS.map((row) => JSON.stringify({ ...row, hex: bytesOf(row.kind, row.input).toHex() }));
  writeFileSync(new URL("../tests/vectors/petrel.json", import.meta.url), `[\n  ${rows.join(",\n  ")}\n]\n`);
  console.log(`wrote ${rows.length} rows`);
}
