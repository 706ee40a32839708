/**
 * Writes tests/vectors/contents.json, the vectors of bodies in JSON and MessagePack: `bun scripts/gen_content_vectors.ts`.
 * The bytes are made by other means than src/protocol: names from the .proto files by reflection, JSON.stringify, and
 * @msgpack/msgpack. Rows have the form of wire.json; see proto/WIRE.md "Vectors".
 */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { encode } from "@msgpack/msgpack";
import { inNames } from "../tests/vectors/in_names.ts";
import { encodePlain, type Plain } from "../tests/vectors/reflect.ts";

const CONTENTS = ["json", "msgpack"] as const;
type Content = typeof CONTENTS[number];

const ID = "2123884822469009408";
const TIME = "1795208576205624029";
const row = { messageId: ID, type: 1, body: 'hi 你好 😀 "\\\n', sender: "bob", sendTime: TIME, seq: 4 };

/** What is written and read, in both contents. */
const MESSAGES: [name: string, type: string, value: Plain][] = [
  ["login-request", "LoginReq", { token: "t", tags: ["ios", ""], cursor: 41, epoch: "3f2a" }],
  ["login-response", "LoginResp", {
    channelId: "g_ann_1",
    account: "ann",
    recovered: true,
    head: 42,
    heartbeat_ms: 25000,
  }],
  ["kickout", "KickoutNotify", { channelId: "g_ann_1" }],
  ["error", "ErrorResp", { message: "busy" }],
  ["talk-request", "MessageReq", { type: 1, body: "hello 你好 😀", client_msg_id: "c-1" }],
  ["talk-response", "MessageResp", { messageId: "9007199254740993", sendTime: TIME, seq: 5, user_seq: 4294967295 }],
  ["push", "MessagePush", row],
  ["content-request", "MessageContentReq", {
    message_ids: ["0", "1", "-1", "9223372036854775807", "-9223372036854775808"],
  }],
  ["index-response", "MessageIndexResp", {
    indexes: [{ message_id: ID, direction: 1, send_time: TIME, accountB: "bob", group: "g4wmc1rcz2m8" }, {}],
  }],
  ["sync-response", "SyncResp", {
    messages: [{ ...row, user_seq: 41, dest: "ann" }, { ...row, user_seq: 42, dest: "g1", group: true }],
    head: 43,
    epoch: "3f2a",
    scanned_to: 42,
  }],
  ["numbers", "pkt.HeadsResp", { positions: [0, 127, 128, 255, 256, 65535, 65536, 4294967295] }],
  ["negative", "MessageReq", { type: -1 }],
  ["negative-large", "MessageReq", { type: -2147483648 }],
  ["nothing-set", "SyncReq", {}],
  ["rpc-insert", "InsertMessageReq", {
    sender: "ann",
    dest: "bob",
    send_time: TIME,
    message: { id: ID, type: 1, body: "hi" },
  }],
  ["rpc-contents", "GetOfflineMessageContentResp", { list: [{ id: ID, type: 1, body: "hi" }, { id: "1" }] }],
];

/** What is only read: another way to say `value`. */
const OTHER_WAYS: [name: string, type: string, value: Plain, given: Plain][] = [
  ["declared-names", "SyncReq", { after: 1, up_to: 3 }, { after: 1, up_to: 3 }],
  ["unknown-names", "SyncReq", { after: 1 }, { after: 1, x: { y: [[[1]]] }, prototype: 1 }],
  ["null-is-absent", "SyncReq", { after: 1 }, { after: 1, limit: null }],
  ["defaults-given", "MessageReq", {}, { type: 0, body: "", extra: "" }],
  ["safe-integers", "MessageAckReq", { messageId: "9007199254740991" }, { messageId: 9007199254740991 }],
];

interface Row {
  readonly name: string;
  readonly kind: string;
  readonly input: Plain;
  readonly hex: string;
}

function rows(content: Content): Row[] {
  const name = (what: string) => `${content}-${what}`;
  return [
    ...MESSAGES.map(([what, type, value]) => ({
      name: name(what),
      kind: content,
      input: { type, value },
      hex: bytesOf(content, inNames(type, value, content)).toHex(),
    })),
    ...OTHER_WAYS.map(([what, type, value, given]) => ({
      name: name(what),
      kind: `${content}DecodeOnly`,
      input: { type, value },
      hex: bytesOf(content, given).toHex(),
    })),
    {
      name: name("no-bytes"),
      kind: `${content}DecodeOnly`,
      input: { type: "SyncReq", value: {} },
      hex: "",
    },
    packet(name("login-packet"), content, "LoginReq", { token: "t" }, {
      command: "login.signin",
      sequence: 1,
      meta: [{ key: "im.content", value: content, type: 1 }],
    }),
  ];
}

/** A whole packet: the header stays protobuf. */
function packet(name: string, content: Content, bodyType: string, body: Plain, header: Plain): Row {
  const head = encodePlain("Header", header);
  const bytes = bytesOf(content, inNames(bodyType, body, content));
  const out = new Uint8Array(12 + head.length + bytes.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, 0xc311a365);
  view.setUint32(4, head.length);
  out.set(head, 8);
  view.setUint32(8 + head.length, bytes.length);
  out.set(bytes, 12 + head.length);
  return { name, kind: "logic", input: { header, content, bodyType, body }, hex: out.toHex() };
}

function bytesOf(content: Content, value: unknown): Uint8Array {
  return content === "json" ? new TextEncoder().encode(JSON.stringify(value)) : encode(value, { useBigInt64: true });
}

if (process.argv.includes("--help")) {
  console.log("gen_content_vectors: writes tests/vectors/contents.json. No options.");
} else {
  const lines = CONTENTS.flatMap(rows).map((one) => JSON.stringify(one));
  writeFileSync(new URL("../tests/vectors/contents.json", import.meta.url), `[\n  ${lines.join(",\n  ")}\n]\n`);
  console.log(`wrote ${lines.length} rows`);
}
