import { expect, test } from "bun:test";
import fc from "fast-check";
import { encodeCommands, RedisError, RedisStatus, type Reply, ReplyReader } from "./resp.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array) => new TextDecoder().decode(value);

test("commands are arrays of bulk strings, lengths in bytes", () => {
  const sent = encodeCommands([["SET", "k", "grüße"], ["GET", bytes("k")], []]);
  expect(text(sent)).toBe("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$7\r\ngrüße\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*0\r\n");
});

test("every kind of reply is read", () => {
  const reader = new ReplyReader();
  const replies = reader.push(
    bytes("+OK\r\n-ERR no\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n$0\r\n\r\n*-1\r\n*0\r\n*3\r\n:1\r\n*1\r\n$1\r\nx\r\n-E\r\n"),
  );
  expect(replies).toEqual([
    new RedisStatus("OK"),
    new RedisError("ERR no"),
    -7,
    bytes("a\r\n"),
    null,
    bytes(""),
    null,
    [],
    [1, [bytes("x")], new RedisError("E")],
  ]);
});

const reply = fc.letrec<{ reply: Reply }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.integer(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 300 }),
    fc.constant(new RedisStatus("OK")),
    fc.constant(new RedisError("ERR x")),
    fc.array(tie("reply"), { maxLength: 5 }),
  ),
})).reply;

test("replies come out as they went in, however the stream is cut", () => {
  fc.assert(fc.property(fc.array(reply, { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 40 })), (all, cuts) => {
    const stream = encoded(all);
    const reader = new ReplyReader();
    const read: Reply[] = [];
    let at = 0;
    for (let i = 0; at < stream.length; i++) {
      const next = at + (cuts.length > 0 ? cuts[i % cuts.length]! : stream.length);
      read.push(...reader.push(stream.slice(at, next)));
      at = next;
    }
    expect(read).toEqual(all);
  }));
});

test("a large value in many pieces is read without looking at it again each time", () => {
  const value = new Uint8Array(8 << 20).fill(7);
  const stream = encoded([value]);
  const reader = new ReplyReader();
  const read: Reply[] = [];
  for (let at = 0; at < stream.length; at += 4096) read.push(...reader.push(stream.subarray(at, at + 4096)));
  expect(read.length).toBe(1);
  expect((read[0] as Uint8Array).length).toBe(value.length);
});

test.each([
  ["an unknown type", "!3\r\n"],
  ["a length that is no number", "$x\r\n"],
  ["a negative length", "*-2\r\n"],
  ["a value over the limit", "$99999999999\r\n"],
  ["a line without an end", "+" + "x".repeat(70_000)],
  ["too many levels", "*1\r\n".repeat(40)],
])("%s ends the connection", (_what, stream) => {
  expect(() => new ReplyReader().push(bytes(stream))).toThrow();
});

function encoded(replies: readonly Reply[]): Uint8Array {
  const parts: number[] = [];
  const add = (one: Reply): void => {
    const line = (head: string) => parts.push(...bytes(head + "\r\n"));
    if (one === null) line("$-1");
    else if (typeof one === "number") line(`:${one}`);
    else if (one instanceof RedisStatus) line(`+${one.text}`);
    else if (one instanceof RedisError) line(`-${one.message}`);
    else if (one instanceof Uint8Array) {
      line(`$${one.length}`);
      for (const byte of one) parts.push(byte);
      line("");
    } else {
      line(`*${one.length}`);
      one.forEach(add);
    }
  };
  replies.forEach(add);
  return new Uint8Array(parts);
}
