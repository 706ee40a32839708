import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { FakeClock } from "../../src/base/fake_clock.ts";
import { Metrics } from "../../src/base/metrics.ts";
import { parseRouteFile } from "../../src/container/route_file.ts";
import { Selector } from "../../src/container/selector.ts";
import { COMMANDS } from "../../src/protocol/commands.ts";
import {
  type BodyType,
  type Content,
  crc32,
  decodeAs,
  decodeLocation,
  decodePacket,
  encodeAs,
  encodeBasic,
  encodeFrame,
  encodeLocation,
  encodeLogic,
  FrameDecoder,
  fromBase36,
  LIMITS,
  makeHeader,
  makeToken,
  type Meta,
  NO_BODY,
  pkt,
  readToken,
  rpc,
  toBase36,
  WsDecoder,
  wsFrame,
} from "../../src/protocol/mod.ts";
import contents from "./contents.json" with { type: "json" };
import petrel from "./petrel.json" with { type: "json" };
import { ours, type Plain, typeOf } from "./reflect.ts";
import wire from "./wire.json" with { type: "json" };

// Bytes that any implementation of the protocol can be held against. `wire.json` is what KIM puts on the wire (67
// rows), `petrel.json` what we add to it (made by scripts/gen_vectors.ts with another encoder), `contents.json` bodies
// in JSON and MessagePack (scripts/gen_content_vectors.ts).

interface Row {
  readonly name: string;
  readonly kind: string;
  readonly input: Plain;
  readonly hex: string;
}

/** Some names mean another message in each package: a row `rpc-…` speaks of `rpc`, all others of `pkt` first. */
const all = [...wire as unknown as Row[], ...petrel as unknown as Row[], ...contents as unknown as Row[]]
  .map((row) => /^rpc-/.test(row.name) ? { ...row, input: { ...row.input, type: `rpc.${row.input["type"]}` } } : row);

describe("vectors", () => {
  test("all 67 of the reference are here, each name once", () => {
    expect(wire.length).toBe(67);
    expect(new Set(all.map((row) => row.name)).size).toBe(all.length);
  });

  test.each(all)("$kind $name", (row) => {
    const check = CHECKS[row.kind];
    if (!check) throw new Error(`Cannot check ${row.name}: no check for kind ${row.kind}`);
    check(row.input, Uint8Array.fromHex(row.hex));
  });

  test("every command has a request among them", () => {
    const seen = new Set(
      all.filter((row) => row.kind === "logic").map((row) => row.input["header"] as Plain)
        .filter((header) => !header["flag"]).map((header) => header["command"]),
    );
    expect(Object.values(COMMANDS).map((one) => one.name).filter((name) => !seen.has(name))).toEqual([]);
  });
});

const CHECKS: Record<string, (input: Plain, bytes: Uint8Array) => void> = {
  basic(input, bytes) {
    const body = bodyOf(input);
    expect(encodeBasic(Number(input["code"]), body)).toEqual(bytes);
    expect(decodePacket(bytes, LIMITS.client)).toEqual({ kind: "basic", code: Number(input["code"]), body });
  },
  logic(input, bytes) {
    const { command, ...rest } = input["header"] as { command: string };
    const header = makeHeader(command, rest);
    header.meta = header.meta.map((meta) => ({ ...NO_META, ...meta }));
    const content = (input["content"] ?? "protobuf") as Content;
    const body = input["bodyType"] ? encode(String(input["bodyType"]), input["body"] as Plain, content) : NO_BODY;
    expect(encodeLogic(header, body)).toEqual(bytes);
    const packet = decodePacket(bytes, LIMITS.link);
    if (packet.kind !== "logic") throw new Error("expected a logic packet");
    expect(packet.header).toEqual(header);
    expect(packet.body).toEqual(body);
    if (input["bodyType"]) decodesTo(String(input["bodyType"]), input["body"] as Plain, packet.body, content);
  },
  proto(input, bytes) {
    expect(encode(String(input["type"]), input["value"] as Plain)).toEqual(bytes);
    decodesTo(String(input["type"]), input["value"] as Plain, bytes);
  },
  protoDecodeOnly(input, bytes) {
    decodesTo(String(input["type"]), input["value"] as Plain, bytes);
  },
  json: bothWays("json"),
  msgpack: bothWays("msgpack"),
  jsonDecodeOnly: (input, bytes) => decodesTo(String(input["type"]), input["value"] as Plain, bytes, "json"),
  msgpackDecodeOnly: (input, bytes) => decodesTo(String(input["type"]), input["value"] as Plain, bytes, "msgpack"),
  tcpFrame(input, bytes) {
    const payload = payloadOf(input);
    expect(encodeFrame(Number(input["opcode"]), payload)).toEqual(bytes);
    const seen: unknown[] = [];
    new FrameDecoder(LIMITS.client.frameBytes).push(bytes, (opcode, got) => seen.push([opcode, got.slice()]));
    expect(seen).toEqual([[input["opcode"], payload]]);
  },
  wsFrame(input, bytes) {
    const payload = payloadOf(input);
    const key = input["maskKeyHex"] ? Uint8Array.fromHex(String(input["maskKeyHex"])) : undefined;
    expect(wsFrame(Number(input["opcode"]), payload, key)).toEqual(bytes);
    const seen: unknown[] = [];
    new WsDecoder(key ? "server" : "client", LIMITS.client.frameBytes).push(bytes.slice(), {
      message: (opcode, got) => seen.push([opcode, got.slice()]),
      ping: (got) => seen.push([9, got.slice()]),
      pong: (got) => seen.push([10, got.slice()]),
      close: (code) => seen.push([8, Uint8Array.of(code >> 8, code)]),
    });
    expect(seen).toEqual([[input["opcode"], payload]]);
  },
  location(input, bytes) {
    const location = { channelId: String(input["channelId"]), gateId: String(input["gateId"]) };
    expect(encodeLocation(location)).toEqual(bytes);
    expect(decodeLocation(bytes)).toEqual(location);
  },
  jwt(input, bytes) {
    const claims = input["claims"] as { acc: string; app: string; exp: number };
    const hmac = (data: Uint8Array) => createHmac("sha256", String(input["secret"])).update(data).digest();
    const token = new TextDecoder().decode(bytes);
    expect(makeToken(claims, hmac)).toBe(token);
    expect(readToken(token, claims.exp - 1, hmac)).toEqual(claims);
  },
  crc32(input, bytes) {
    expect(crc32(String(input["text"]))).toBe(parseInt(bytes.toHex(), 16));
  },
  choice(input, bytes) {
    const { servers, routes, app, account } = input as unknown as ChoiceInput;
    const table = routes && parseRouteFile(JSON.stringify(routes));
    const selector = new Selector({ clock: new FakeClock(), metrics: new Metrics(), routes: table });
    for (const { id, zone = "" } of servers) {
      selector.add({ peerId: id, zone, youngUntilMs: 0, state: "open", send: () => true });
    }
    expect(selector.pick(app, account)?.peerId).toBe(new TextDecoder().decode(bytes));
  },
  base36(input, bytes) {
    const text = new TextDecoder().decode(bytes);
    expect(toBase36(BigInt(String(input["id"])))).toBe(text);
    expect(fromBase36(text)).toBe(BigInt(String(input["id"])));
  },
};

interface ChoiceInput {
  readonly servers: readonly { readonly id: string; readonly zone?: string }[];
  readonly routes?: Plain;
  readonly app: string;
  readonly account: string;
}

const NO_META: Meta = { key: "", value: "", type: 0 };

function bodyOf(input: Plain): Uint8Array {
  return Uint8Array.fromHex(String(input["bodyHex"] ?? ""));
}

/** A frame's payload, made by our encoders. */
function payloadOf(frame: Plain): Uint8Array {
  const payload = frame["payload"] as { kind: string; input: Plain } | undefined;
  const input = payload?.input ?? {};
  switch (payload?.kind) {
    case undefined:
      return NO_BODY;
    case "bytes":
      return Uint8Array.fromHex(String(input["hex"]));
    case "ascii":
      return new TextEncoder().encode(String(input["text"]));
    case "basic":
      return encodeBasic(Number(input["code"]), bodyOf(input));
    case "proto":
      return encode(String(input["type"]), input["value"] as Plain);
    case "logic": {
      const { command, ...rest } = input["header"] as { command: string };
      const body = input["bodyType"] ? encode(String(input["bodyType"]), input["body"] as Plain) : NO_BODY;
      return encodeLogic(makeHeader(command, rest), body);
    }
    default:
      throw new Error(`Cannot make payload: no kind ${payload?.kind}`);
  }
}

function bothWays(content: Content): (input: Plain, bytes: Uint8Array) => void {
  return (input, bytes) => {
    expect(encode(String(input["type"]), input["value"] as Plain, content)).toEqual(bytes);
    decodesTo(String(input["type"]), input["value"] as Plain, bytes, content);
  };
}

function encode(type: string, value: Plain, content: Content = "protobuf"): Uint8Array {
  return encodeAs(content, generated(type), ours(typeOf(type), value));
}

function decodesTo(type: string, value: Plain, bytes: Uint8Array, content: Content = "protobuf"): void {
  expect(decodeAs(content, generated(type), bytes)).toEqual(ours(typeOf(type), value));
}

function generated(type: string): BodyType<object> {
  const found = (type.startsWith("rpc.") ? rpc : { ...rpc, ...pkt }) as Record<string, BodyType<object>>;
  return found[type.replace(/^(?:pkt|rpc)\./, "")] ?? (() => {
    throw new Error(`Cannot find message ${type}`);
  })();
}
