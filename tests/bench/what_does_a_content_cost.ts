/**
 * What does it cost to write and read one pushed message as protobuf, JSON and MessagePack?
 *
 *     bun tests/bench/what_does_a_content_cost.ts --help
 *     deno run -A tests/bench/what_does_a_content_cost.ts --rounds 50
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { decodeAs, encodeAs, pkt } from "../../src/protocol/mod.ts";

const { values } = parseArgs({
  options: {
    help: { type: "boolean", default: false },
    rounds: { type: "string", default: "30" },
    bytes: { type: "string", default: "128" },
  },
});

if (values.help) {
  console.log(`What does a content cost?

  --rounds 30   of 5,000 messages each, the contents by turns; the best round counts
  --bytes 128   length of the message's text`);
  process.exit(0);
}

const message = {
  messageId: 2123884822469009408n,
  type: 1,
  body: "x".repeat(Number(values.bytes)),
  sender: "ann",
  sendTime: 1795208576205624029n,
  seq: 5,
  clientMsgId: "1kk77xq17d23nu0c3pqep1k0haa0-1",
};
const EACH = 5_000;
const rows = (["protobuf", "json", "msgpack"] as const).map((content) => ({
  content,
  bytes: encodeAs(content, pkt.MessagePush, message),
  encode: Infinity,
  decode: Infinity,
}));

for (let round = 0; round < Number(values.rounds); round++) {
  for (const row of rows) {
    row.encode = Math.min(row.encode, time(() => encodeAs(row.content, pkt.MessagePush, message)));
    row.decode = Math.min(row.decode, time(() => decodeAs(row.content, pkt.MessagePush, row.bytes)));
  }
}
console.log("content    bytes  encode ns  decode ns");
for (const { content, bytes, encode, decode } of rows) {
  console.log(`${content.padEnd(9)}${[bytes.length, encode, decode].map((one, i) => cell(one, i)).join("")}`);
}

function time(run: () => unknown): number {
  const start = performance.now();
  for (let i = 0; i < EACH; i++) run();
  return (performance.now() - start) / EACH * 1e6;
}

function cell(value: number, column: number): string {
  return Math.round(value).toString().padStart(column === 0 ? 7 : 11);
}
