import fc from "fast-check";
import protobuf from "protobufjs";
import { type BodyType, pkt, rpc } from "../../src/protocol/mod.ts";
import { type Plain, typeNames } from "./reflect.ts";

const spaces = { pkt, rpc } as unknown as Record<string, Record<string, BodyType<object>>>;

/** Every message that gen/ has, as `pkt.MessagePush`. */
export const messageNames = typeNames().filter((name) => name !== "pkt.Header" && name !== "pkt.Meta");

/** The message of that full name. */
export function generated(name: string): BodyType<object> {
  const [space, message] = name.split(".");
  return spaces[space!]![message!]!;
}

/** Messages of a type as gen/ has them, fields set or left at their default. */
export function anyMessage(type: protobuf.Type): fc.Arbitrary<Plain> {
  const shape: Record<string, fc.Arbitrary<unknown>> = {};
  for (const field of type.fieldsArray) {
    const one = field.resolvedType instanceof protobuf.Type ? anyMessage(field.resolvedType) : ANY[field.type]!;
    shape[field.name] = field.repeated ? fc.array(one, { maxLength: 4 }) : one;
  }
  return fc.record(shape, { requiredKeys: [] }) as fc.Arbitrary<Plain>;
}

const ANY: Record<string, fc.Arbitrary<unknown>> = {
  string: fc.oneof(
    fc.string({ unit: "binary", maxLength: 20 }),
    fc.string({ unit: "binary", minLength: 60, maxLength: 150 }),
  ),
  int32: fc.oneof(fc.nat(5), fc.integer()),
  uint32: fc.oneof(fc.nat(5), fc.integer({ min: 0, max: 0xffffffff })),
  bool: fc.boolean(),
  int64: fc.oneof(fc.bigInt({ min: 0n, max: 200n }), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
};
