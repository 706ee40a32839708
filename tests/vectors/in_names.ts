import protobuf from "protobufjs";
import { ours, type Plain, typeOf } from "./reflect.ts";

/**
 * The plain twin of src/protocol/named_fields.ts, by reflection: a message as JSON and MessagePack name it, defaults
 * left out, fields by number.
 */
export function inNames(type: string, value: Plain, content: "json" | "msgpack"): Plain {
  return named(typeOf(type), ours(typeOf(type), value), content);
}

function named(type: protobuf.Type, message: Plain, content: string): Plain {
  const out: Plain = {};
  for (const field of [...type.fieldsArray].sort((a, b) => a.id - b.id)) {
    const value = message[field.name];
    const one = (inner: unknown) =>
      field.resolvedType instanceof protobuf.Type
        ? named(field.resolvedType, inner as Plain, content)
        : typeof inner === "bigint" && content === "json"
        ? `${inner}`
        : inner;
    if (Array.isArray(value) ? value.length > 0 : value) {
      out[field.name] = Array.isArray(value) ? value.map(one) : one(value);
    }
  }
  return out;
}
