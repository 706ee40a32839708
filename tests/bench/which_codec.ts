/**
 * Which codec for headers and bodies? Nanoseconds per packet and bytes for a typical talk request and push, on the
 * runtime it is started with: `bun tests/bench/which_codec.ts`, `deno run -A tests/bench/which_codec.ts`.
 *
 * "header": header fields to bytes and back. "body": the message to bytes and back (64-bit values as bigint; JSON and
 * MessagePack carry them as text). "forward": what a gateway does, read the header, stamp it, write the packet.
 */
import { decode as unpack, encode as pack } from "@msgpack/msgpack";
import process from "node:process";
import { allocate, useSlabs } from "../../src/base/bytes.ts";
import { decodeBody, encodeBody } from "../../src/protocol/bodies.ts";
import { pkt } from "../../src/protocol/gen/pkt.js";
import { FLAG, type Header, headerSize, makeHeader, readHeader, writeHeader } from "../../src/protocol/header.ts";
import { LIMITS } from "../../src/protocol/limits.ts";
import { META, textMeta } from "../../src/protocol/meta.ts";
import { decodePacket, encodeLogic } from "../../src/protocol/packet.ts";
import { typeOf } from "../vectors/reflect.ts";

interface Subject {
  readonly what: string;
  readonly codec: string;
  readonly encode: () => Uint8Array | string;
  readonly decode: (() => unknown) | undefined;
}

/** Kept, so that no engine finds the work useless. */
let sink: unknown;

const CHANNEL = "gate01_account_1234_k3x9f_17";
const PEER = "account_5678";

const request = makeHeader("chat.user.talk", { sequence: 1234, dest: PEER });
const push = makeHeader("chat.user.talk", {
  channelId: CHANNEL,
  sequence: 1234,
  flag: FLAG.PUSH,
  dest: PEER,
  meta: [
    textMeta(META.DEST_CHANNELS, "gate02_account_5678_k3x9f_4"),
    textMeta(META.DEST_SERVER, "gate02"),
    textMeta(META.POS, "43"),
  ],
});

const TEXT = "See you at the station at half past six, platform four. Bring the tickets! ".padEnd(128, ".");
const talk = { type: 1, body: TEXT, extra: "", clientMsgId: "c-1234" };
const message = {
  messageId: 2123884822469009408n,
  type: 1,
  body: TEXT,
  extra: "",
  sender: "account_1234",
  sendTime: 1795208576205624029n,
  seq: 17,
  userSeq: 43,
  dest: "",
  clientMsgId: "",
  group: false,
};

function subjects(): Subject[] {
  return [
    ...headers("header of a talk", request),
    ...headers("header of a push on a link", push),
    ...bodies("body of a talk", "MessageReq", pkt.MessageReq, talk),
    ...bodies("body of a push", "MessagePush", pkt.MessagePush, message),
    ...forward(),
  ];
}

function headers(what: string, header: Header): Subject[] {
  const type = typeOf("Header");
  const plain = { ...header };
  const bytes = writeAlone(header);
  const json = JSON.stringify(header);
  const packed = pack(header);
  return [
    { what, codec: "by hand", encode: () => writeAlone(header), decode: () => readHeader(bytes, 0, bytes.length, 32) },
    { what, codec: "protobufjs", encode: () => type.encode(plain).finish(), decode: () => type.decode(bytes) },
    { what, codec: "JSON", encode: () => JSON.stringify(header), decode: () => JSON.parse(json) },
    { what, codec: "MessagePack", encode: () => pack(header), decode: () => unpack(packed) },
  ];
}

function bodies<T extends object>(
  what: string,
  name: string,
  generated: Parameters<typeof encodeBody<T>>[0],
  value: T,
): Subject[] {
  const type = typeOf(name);
  const long = type.fromObject(
    Object.fromEntries(Object.entries(value).map(([key, one]) => [key, typeof one === "bigint" ? String(one) : one])),
  );
  const bytes = encodeBody(generated, value);
  const texts = (_: string, one: unknown) => typeof one === "bigint" ? String(one) : one;
  const json = JSON.stringify(value, texts);
  const plain = JSON.parse(json) as object;
  const packed = pack(plain);
  return [
    {
      what,
      codec: "gen/, bigint",
      encode: () => encodeBody(generated, value),
      decode: () => decodeBody(generated, bytes),
    },
    { what, codec: "protobufjs, Long", encode: () => type.encode(long).finish(), decode: () => type.decode(bytes) },
    { what, codec: "JSON", encode: () => JSON.stringify(plain), decode: () => JSON.parse(json) },
    { what, codec: "MessagePack", encode: () => pack(plain), decode: () => unpack(packed) },
  ];
}

function forward(): Subject[] {
  const what = "forward a talk";
  const type = typeOf("Header");
  const body = encodeBody(pkt.MessageReq, talk);
  const packet = encodeLogic(request, body);
  const stamp = [
    textMeta(META.APP, "kim"),
    textMeta(META.ACCOUNT, "account_1234"),
    textMeta(META.DEST_SERVER, "gate01"),
  ];
  const patch = { channelId: CHANNEL, flag: 0, status: 0, meta: stamp };
  return [
    {
      what,
      codec: "by hand",
      encode: () => {
        const read = decodePacket(packet, LIMITS.client);
        if (read.kind !== "logic") throw new Error("a logic packet was expected");
        const { header } = read;
        header.channelId = CHANNEL;
        header.flag = header.status = 0;
        header.meta = stamp;
        return encodeLogic(header, read.body);
      },
      decode: undefined,
    },
    {
      what,
      codec: "protobufjs",
      encode: () => {
        const view = new DataView(packet.buffer, packet.byteOffset);
        const length = view.getUint32(4);
        const header = type.encode(Object.assign(type.decode(packet.subarray(8, 8 + length)), patch)).finish();
        const out = new Uint8Array(12 + header.length + body.length);
        const put = new DataView(out.buffer);
        put.setUint32(0, 0xc311a365);
        put.setUint32(4, header.length);
        out.set(header, 8);
        put.setUint32(8 + header.length, body.length);
        out.set(packet.subarray(12 + length), 12 + header.length);
        return out;
      },
      decode: undefined,
    },
  ];
}

function writeAlone(header: Header): Uint8Array {
  const out = allocate(headerSize(header));
  writeHeader(header, out, 0);
  return out;
}

/** Medians over rounds in which all take turns, so that a slow moment of the machine hits all alike. */
function measure(all: readonly Subject[], rounds: number, roundMs: number): Map<() => unknown, number> {
  const runs = all.flatMap((one) => one.decode ? [one.encode, one.decode] : [one.encode]);
  const times = new Map(runs.map((run) => [run, [] as number[]]));
  const counts = new Map(runs.map((run) => [run, calibrate(run, roundMs)]));
  for (let round = 0; round < rounds; round++) {
    for (const run of runs) {
      const count = counts.get(run)!;
      const start = performance.now();
      for (let i = 0; i < count; i++) sink = run();
      times.get(run)!.push((performance.now() - start) * 1e6 / count);
    }
  }
  return new Map(runs.map((run) => [run, times.get(run)!.sort((a, b) => a - b)[rounds >> 1]!]));
}

/** How many calls take about that long; warms the code on the way. */
function calibrate(run: () => unknown, roundMs: number): number {
  for (let count = 1_000;; count *= 2) {
    const start = performance.now();
    for (let i = 0; i < count; i++) sink = run();
    const took = performance.now() - start;
    if (took > roundMs / 2) return Math.max(1, Math.round(count * roundMs / took));
  }
}

function main(): void {
  const args = process.argv.slice(2);
  const option = (name: string, otherwise: number) => {
    const at = args.indexOf(name);
    return at < 0 ? otherwise : Number(args[at + 1]);
  };
  const rounds = option("--rounds", 15);
  const roundMs = option("--ms", 20);
  if (args.includes("--help") || !(rounds >= 1) || !(roundMs >= 1)) {
    console.log(
      "which_codec: header and body codecs compared on this runtime\n\n  --rounds n  rounds, all codecs take turns (15)\n  --ms n      milliseconds per codec and round (20)",
    );
    return;
  }
  if ("deno" in process.versions) useSlabs(); // as src/runtime/deno does
  const all = subjects();
  const medians = measure(all, rounds, roundMs);
  console.log(`${runtime()}, median of ${rounds} alternating rounds of ${roundMs} ms\n`);
  let last = "";
  for (const one of all) {
    if (one.what !== last) {
      last = one.what;
      console.log(`${one.what.padEnd(28)}${"encode ns".padStart(10)}${"decode ns".padStart(11)}${"bytes".padStart(7)}`);
    }
    const encode = medians.get(one.encode)!.toFixed(0);
    const decode = one.decode ? medians.get(one.decode)!.toFixed(0) : "";
    console.log(
      `  ${one.codec.padEnd(26)}${encode.padStart(10)}${decode.padStart(11)}${String(one.encode().length).padStart(7)}`,
    );
  }
  if (sink === undefined) throw new Error("nothing was measured");
}

function runtime(): string {
  const { bun, deno } = process.versions as Record<string, string | undefined>;
  return bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${process.versions.node}`;
}

main();
