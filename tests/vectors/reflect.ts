/** The plain twin: protobufjs by reflection over proto/*.proto. Only tests and scripts use it. */
import { readFileSync } from "node:fs";
import protobuf from "protobufjs";

const root = new protobuf.Root();
for (const file of ["common.proto", "client.proto", "inner.proto", "rpc.proto"]) {
  protobuf.parse(readFileSync(new URL(`../../proto/${file}`, import.meta.url), "utf8"), root);
}
root.resolveAll();

export type Plain = Record<string, unknown>;

/** `pkt.MessagePush`, or the bare name: then `pkt` before `rpc`. */
export function typeOf(name: string): protobuf.Type {
  if (name.includes(".")) return root.lookupType(name);
  return root.lookupType(typeNames().includes(`pkt.${name}`) ? `pkt.${name}` : `rpc.${name}`);
}

export function enumOf(name: string): Record<string, number> {
  return root.lookupEnum(`pkt.${name}`).values;
}

/** Full names of all messages. */
export function typeNames(): string[] {
  return root.nestedArray.flatMap((space) =>
    (space as protobuf.Namespace).nestedArray.filter((one) => one instanceof protobuf.Type).map((one) =>
      one.fullName.slice(1)
    )
  );
}

/** What protobufjs writes. 64-bit values may be bigint, decimal text or number. */
export function encodePlain(name: string, value: Plain): Uint8Array {
  const type = typeOf(name);
  return Uint8Array.from(type.encode(type.fromObject(longs(ours(type, value)) as Plain)).finish());
}

/** What protobufjs reads, every field set, 64-bit values as bigint. */
export function decodePlain(name: string, bytes: Uint8Array): Plain {
  const type = typeOf(name);
  return ours(type, type.toObject(type.decode(bytes), { longs: String, defaults: true, arrays: true }));
}

/** An object as gen/ has it: camelCase names, bigint for 64-bit fields, defaults filled in. */
export function ours(type: protobuf.Type, value: Plain): Plain {
  const known = new Set(type.fieldsArray.flatMap((field) => [field.name, field.protoName]));
  for (const name of Object.keys(value)) if (!known.has(name)) throw new Error(`${type.fullName} has no field ${name}`);
  const result: Plain = {};
  for (const field of type.fieldsArray) {
    const given = value[field.name] ?? value[field.protoName];
    if (field.repeated) result[field.name] = ((given ?? []) as unknown[]).map((one) => oursOne(field, one));
    else if (given !== undefined && given !== null) result[field.name] = oursOne(field, given);
    else if (!(field.resolvedType instanceof protobuf.Type)) result[field.name] = oursOne(field, field.typeDefault);
  }
  return result;
}

function oursOne(field: protobuf.Field, value: unknown): unknown {
  if (field.resolvedType instanceof protobuf.Type) return ours(field.resolvedType, value as Plain);
  return field.type === "int64" ? BigInt(String(value)) : value;
}

function longs(value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return value.map(longs);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, longs(one)]));
}
