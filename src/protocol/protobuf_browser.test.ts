import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import protobufjs from "protobufjs/minimal.js";
import browser from "./protobuf_browser.ts";

type Reader = InstanceType<typeof browser.Reader>;
type Writer = InstanceType<typeof browser.Writer>;

/** The same calls on both; what each said, and where it stands. */
function read(reader: Reader, calls: readonly ((reader: Reader) => unknown)[]): unknown[] {
  const said: unknown[] = [];
  for (const call of calls) {
    try {
      said.push(call(reader), reader.pos);
    } catch {
      return [...said, "refused"]; // a body that was refused once is not read on
    }
  }
  return said;
}

const theirs = (bytes: Uint8Array): Reader => new protobufjs.Reader(bytes) as unknown as Reader;
const ours = (bytes: Uint8Array): Reader => new browser.Reader(bytes);

const call: fc.Arbitrary<(reader: Reader) => unknown> = fc.oneof(
  fc.constantFrom<(reader: Reader) => unknown>(
    (reader) => reader.uint32(),
    (reader) => reader.int32(),
    (reader) => reader.bool(),
    (reader) => reader.tag(),
    (reader) => reader.size(),
    (reader) => reader.uint32s([]).join(),
  ),
  fc.tuple(fc.nat(7), fc.nat(3)).map(([wire, field]) => (reader: Reader) => void reader.skipType(wire, 0, field)),
);
/** Bytes that are often the middle or the end of a number, or a group's. */
const byte = fc.oneof(fc.constantFrom(0, 1, 2, 11, 12, 127, 128, 143, 144, 255), fc.nat(255));
const bytes = fc.array(byte, { maxLength: 24 }).map((list) => Uint8Array.from(list));

describe("the reader for pages", () => {
  test("reads and refuses as protobufjs does", () => {
    fc.assert(
      fc.property(bytes, fc.array(call, { minLength: 1, maxLength: 6 }), (input, calls) => {
        expect(read(ours(input), calls)).toEqual(read(theirs(input), calls));
      }),
      { numRuns: 20_000 },
    );
  });

  test.each([[99], [100], [101], [102]])("%d groups in each other: as protobufjs", (depth) => {
    const input = Uint8Array.from([...Array(depth).fill(11), ...Array(depth).fill(12)]);
    const skip = [(reader: Reader) => void reader.skipType(reader.tag() & 7, 0, 1)];
    expect(read(ours(input), skip)).toEqual(read(theirs(input), skip));
  });
});

const put: fc.Arbitrary<(writer: Writer) => unknown> = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((value) => (writer: Writer) => writer.uint32(value)),
  fc.integer().map((value) => (writer: Writer) => writer.int32(value)),
  fc.boolean().map((value) => (writer: Writer) => writer.bool(value)),
  fc.array(fc.nat(), { maxLength: 90 }).map((values) => (writer: Writer) => writer.uint32s(values)),
  fc.tuple(fc.oneof(fc.integer(), fc.constant(0)), fc.oneof(fc.integer(), fc.constant(0)))
    .map(([low, high]) => (writer: Writer) => writer.int64({ low, high })),
);

test("the writer for pages writes as protobufjs does, lengths in front of lengths included", () => {
  const nested = fc.array(fc.oneof(put, fc.constantFrom("fork", "ldelim")), { maxLength: 60 });
  fc.assert(
    fc.property(nested, (steps) => {
      const written = [new browser.Writer(), new protobufjs.Writer() as unknown as Writer].map((writer) => {
        let open = 0;
        for (const step of steps) {
          if (typeof step === "function") step(writer);
          else if (step === "fork") (open++, writer.fork());
          else if (open > 0) (open--, writer.ldelim());
        }
        while (open-- > 0) writer.ldelim();
        return Array.from(writer.buf.subarray(0, writer.pos));
      });
      expect(written[0]).toEqual(written[1]!);
    }),
    { numRuns: 3_000 },
  );
});
