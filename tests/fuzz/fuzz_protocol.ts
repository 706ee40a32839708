/**
 * Feeds the decoders of src/protocol mutated bytes, starting from the vectors: they may only return or throw ImError,
 * and what they return must survive being written and read again. `bun tests/fuzz/fuzz_protocol.ts --seconds 60`.
 */
import process from "node:process";
import { ImError } from "../../src/base/errors.ts";
import {
  type BodyType,
  type Content,
  decodeAs,
  decodeBody,
  decodeLocation,
  decodePacket,
  encodeAs,
  encodeBasic,
  encodeBody,
  encodeFrame,
  encodeLocation,
  encodeLogic,
  FrameDecoder,
  fromBase36,
  LIMITS,
  makeToken,
  pkt,
  readToken,
  rpc,
  toBase36,
  WsDecoder,
  type WsEvents,
  wsFrame,
} from "../../src/protocol/mod.ts";
import contents from "../vectors/contents.json" with { type: "json" };
import petrel from "../vectors/petrel.json" with { type: "json" };
import wire from "../vectors/wire.json" with { type: "json" };

/** One way to use a decoder; throws what must not be thrown. */
type Target = (bytes: Uint8Array, random: Random) => void;

const HELP = `fuzz_protocol: mutated bytes against every decoder of the protocol

  --seconds n   how long (10)
  --seed n      repeats a run (random)
  --only name   one target: TARGETS`;

/** Small and repeatable (mulberry32). */
class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  /** 0 to below `end`. */
  below(end: number): number {
    this.#state = this.#state + 0x6d2b79f5 | 0;
    let mixed = Math.imul(this.#state ^ this.#state >>> 15, this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return Math.floor((mixed ^ mixed >>> 14) / 2 ** 32 * end + end / 2);
  }
}

const QUIET: WsEvents = { message() {}, ping() {}, pong() {}, close() {} };

const messages = [...Object.values(pkt), ...Object.values(rpc)] as BodyType<object>[];

/** A keyed checksum is enough to get past the signature now and then. */
const hmac = (data: Uint8Array) => new Uint8Array(32).fill(data.reduce((sum, byte) => sum + byte & 1, 0));

const TARGETS: Record<string, Target> = {
  packet(bytes) {
    const packet = decodePacket(bytes, LIMITS.client);
    const again = packet.kind === "logic"
      ? encodeLogic(packet.header, packet.body)
      : encodeBasic(packet.code, packet.body);
    same(decodePacket(again, LIMITS.link), packet);
  },
  body(bytes, random) {
    const type = messages[random.below(messages.length)]!;
    const message = decodeBody(type, bytes);
    same(decodeBody(type, encodeBody(type, message)), message);
  },
  json: inContent("json"),
  msgpack: inContent("msgpack"),
  tcp(bytes, random) {
    const decoder = new FrameDecoder(random.below(2) ? 1 << 16 : 64);
    for (const piece of pieces(bytes, random)) {
      decoder.push(piece, (_, payload) => {
        if (payload.length > 1 << 16) throw new Error("a payload over the limit");
      });
    }
  },
  ws(bytes, random) {
    const decoder = new WsDecoder(random.below(2) ? "server" : "client", random.below(2) ? 1 << 16 : 64);
    for (const piece of pieces(bytes, random)) decoder.push(piece, QUIET);
  },
  wsMasked(bytes, random) {
    // Valid frames around any payload, spoilt only here and there, so that deeper states are reached.
    const key = Uint8Array.of(random.below(256), 1, 2, 3);
    const opcode = [0, 1, 2, 8, 9, 10][random.below(6)]!;
    const frames = [wsFrame(1, bytes.subarray(0, 50), key, random.below(2) === 0), wsFrame(opcode, bytes, key)];
    const stream = Uint8Array.from(frames.flatMap((frame) => [...frame]));
    const decoder = new WsDecoder("server", 1 << 16);
    for (const piece of pieces(stream, random)) decoder.push(piece, QUIET);
  },
  location(bytes) {
    const location = decodeLocation(bytes);
    same(decodeLocation(encodeLocation(location)), location);
  },
  token(bytes, random) {
    const text = random.below(2) ? latin(bytes) : spoil(makeToken({ acc: "a", app: "b", exp: 2e9 }, hmac), random);
    readToken(text, 1.9e9, hmac);
  },
  base36(bytes) {
    const id = fromBase36(latin(bytes));
    if (id !== undefined && fromBase36(toBase36(id)) !== id) throw new Error("base 36 does not come back");
  },
};

/** Reads it as a body, and what was read is the same in every content. */
function inContent(content: Content): Target {
  return (bytes, random) => {
    const type = messages[random.below(messages.length)]!;
    const message = decodeAs(content, type, bytes);
    for (const other of ["protobuf", "json", "msgpack"] as const) {
      same(decodeAs(other, type, encodeAs(other, type, message)), message);
    }
  };
}

function main(): void {
  const args = process.argv.slice(2);
  const option = (name: string) => args.includes(name) ? args[args.indexOf(name) + 1] : undefined;
  if (args.includes("--help")) {
    console.log(HELP.replace("TARGETS", Object.keys(TARGETS).join(", ")));
    return;
  }
  const seconds = Number(option("--seconds") ?? 10);
  const seed = Number(option("--seed") ?? Math.floor(Math.random() * 2 ** 32));
  const only = option("--only");
  const targets = Object.entries(TARGETS).filter(([name]) => only === undefined || name === only);
  if (!(seconds > 0) || !Number.isInteger(seed) || targets.length === 0) {
    console.error(HELP.replace("TARGETS", Object.keys(TARGETS).join(", ")));
    process.exitCode = 2;
    return;
  }
  console.log(`seed ${seed}, ${seconds} s`);
  process.exitCode = run(targets, seed, seconds * 1_000) ? 0 : 1;
}

/** True when nothing was found. */
function run(targets: [string, Target][], seed: number, ms: number): boolean {
  const corpus = [...wire, ...petrel, ...contents].map((row) => Uint8Array.fromHex(row.hex));
  const counts = { returned: 0, refused: 0 };
  const start = performance.now();
  let told = start;
  for (let n = 0;; n++) {
    const now = performance.now();
    if (now - start > ms) break;
    if (now - told > 1_000) {
      told = now;
      console.log(`${Math.round((now - start) / 1_000)} s: ${counts.returned} returned, ${counts.refused} refused`);
    }
    // Every batch has its own seed, so that a finding can be repeated without what came before.
    const random = new Random(seed + n);
    for (let i = 0; i < 200; i++) {
      const bytes = mutate(corpus, random);
      for (const [name, target] of targets) {
        try {
          target(bytes.slice(), new Random(seed + n ^ i << 24));
          counts.returned++;
        } catch (thrown) {
          if (thrown instanceof ImError) {
            counts.refused++;
            continue;
          }
          console.error(`FOUND in ${name} (--seed ${seed + n} --only ${name}): ${bytes.toHex()}`, thrown);
          return false;
        }
      }
    }
  }
  console.log(`nothing found: ${counts.returned} returned, ${counts.refused} refused`);
  return true;
}

/** A vector with some bytes changed, cut, repeated or joined with another; sometimes noise. */
function mutate(corpus: readonly Uint8Array[], random: Random): Uint8Array {
  let bytes = [...corpus[random.below(corpus.length)]!];
  if (random.below(20) === 0) bytes = Array.from({ length: random.below(80) }, () => random.below(256));
  for (let changes = random.below(5); changes > 0; changes--) {
    const at = random.below(bytes.length + 1);
    const length = random.below(9);
    switch (random.below(7)) {
      case 0:
        bytes[at] = random.below(256);
        break;
      case 1:
        bytes[at] = [0, 1, 0x7f, 0x80, 0xff, 0x0a, 0x12, 0x1a, 0x3a][random.below(9)]!;
        break;
      case 2:
        bytes.splice(at, length);
        break;
      case 3:
        bytes.splice(at, 0, ...Array.from({ length }, () => random.below(256)));
        break;
      case 4:
        bytes.splice(at, 0, ...bytes.slice(at, at + length));
        break;
      case 5:
        bytes.splice(at, bytes.length, ...corpus[random.below(corpus.length)]!.subarray(random.below(20)));
        break;
      case 6:
        bytes = [...encodeFrame(2, Uint8Array.from(bytes))];
        break;
    }
  }
  return Uint8Array.from(bytes);
}

function* pieces(bytes: Uint8Array, random: Random): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const length = 1 + random.below(random.below(2) ? 4 : 200);
    yield bytes.slice(at, at + length);
    at += length;
  }
}

function latin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 5_000));
}

function spoil(text: string, random: Random): string {
  const at = random.below(text.length);
  return text.slice(0, at) + String.fromCharCode(random.below(300)) + text.slice(at + random.below(3));
}

function same(one: unknown, other: unknown): void {
  const texts = [one, other].map((value) =>
    JSON.stringify(value, (_, inner) => typeof inner === "bigint" ? `${inner}n` : inner)
  );
  if (texts[0] !== texts[1]) throw new Error(`what was written again differs: ${texts.join(" and ")}`);
}

main();
