import { ImError } from "../base/errors.ts";
import type { BodyField, BodyType } from "./wire.ts";

/**
 * The one mapping between messages of gen/ and forms that name their fields (JSON, MessagePack): objects, lists, texts,
 * numbers, true and false. Driven by `BodyType.fields`. Rules: proto/WIRE.md "Contents".
 */
export type Named = Readonly<Record<string, unknown>>;

/**
 * A message as an object with camelCase names; defaults are left out, lone surrogates become U+FFFD. `wide` says what a
 * 64-bit number is in this form.
 */
export function toNamed<T>(type: BodyType<T>, message: Partial<T>, wide: (value: bigint) => unknown): Named {
  const values = message as Named; // `fields` describes T
  const out: Record<string, unknown> = {};
  for (const field of type.fields) {
    const value = values[field.name];
    if (field.repeated) {
      if (Array.isArray(value) && value.length > 0) out[field.name] = value.map((one) => written(field, one, wide));
    } else if (value) out[field.name] = written(field, value, wide);
  }
  return out;
}

/**
 * The message in `value`, every field set. Both name styles are read, unknown names are not looked at, null is as good
 * as absent.
 * @throws {ImError} BODY_INVALID with the field's name: a wrong type, a number out of range, a field named twice.
 */
export function fromNamed<T>(type: BodyType<T>, value: unknown): T {
  return read(type, value, type.name, "");
}

function written(field: BodyField, value: unknown, wide: (value: bigint) => unknown): unknown {
  if (typeof field.kind === "function") return toNamed(field.kind(), value as object, wide);
  if (typeof value === "bigint") return wide(value);
  return typeof value === "string" ? value.toWellFormed() : value;
}

function read<T>(type: BodyType<T>, value: unknown, root: string, path: string): T {
  if (!isNamed(value)) throw wrong(root, path === "" ? "the body" : path.slice(0, -1), "is not an object");
  const out: Record<string, unknown> = {};
  for (const field of type.fields) {
    const given = own(value, field, root, path);
    if (field.repeated) {
      if (given === undefined) out[field.name] = [];
      else if (!Array.isArray(given)) throw wrong(root, path + field.name, "is not a list");
      else out[field.name] = given.map((one) => readOne(field, one, root, path));
    } else if (given !== undefined) out[field.name] = readOne(field, given, root, path);
    else if (typeof field.kind === "string") out[field.name] = DEFAULTS[field.kind];
  }
  return out as T; // every field of `fields`, which describes T
}

const DEFAULTS = { string: "", int32: 0, uint32: 0, bool: false, int64: 0n } as const;

function own(value: Named, { name, declared }: BodyField, root: string, path: string): unknown {
  const one = Object.hasOwn(value, name) ? value[name] ?? undefined : undefined;
  if (declared === undefined || !Object.hasOwn(value, declared)) return one;
  const other = value[declared] ?? undefined;
  if (one !== undefined && other !== undefined) throw wrong(root, path + name, "is there in both spellings");
  return one ?? other;
}

function readOne(field: BodyField, value: unknown, root: string, path: string): unknown {
  const { kind, name } = field;
  if (typeof kind === "function") return read(kind(), value, root, `${path}${name}.`);
  if (kind === "string") {
    if (typeof value === "string" && value.isWellFormed()) return value;
    throw wrong(root, path + name, "is not a text");
  }
  if (kind === "bool") {
    if (typeof value === "boolean") return value;
    throw wrong(root, path + name, "is neither true nor false");
  }
  const number = kind === "int64" ? wideNumber(value) : smallNumber(value, kind);
  if (number === undefined) throw wrong(root, path + name, `is no ${kind}`);
  return number;
}

const INT64 = /^(?:0|-?[1-9][0-9]{0,18})$/;
const MOST = 2n ** 63n;

/** Decimal text, safe integer or bigint, within 64 bits with a sign. */
function wideNumber(value: unknown): bigint | undefined {
  let wide: bigint;
  if (typeof value === "string" && INT64.test(value)) wide = BigInt(value);
  else if (typeof value === "number" && Number.isSafeInteger(value)) wide = BigInt(value);
  else if (typeof value === "bigint") wide = value;
  else return undefined;
  return wide >= -MOST && wide < MOST ? wide : undefined;
}

/** An integer within the range of its kind; never -0. */
function smallNumber(value: unknown, kind: "int32" | "uint32"): number | undefined {
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number !== "number") return undefined;
  const fits = kind === "int32" ? number | 0 : number >>> 0;
  return fits === number ? fits : undefined;
}

function isNamed(value: unknown): value is Named {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrong(root: string, field: string, what: string): ImError {
  return new ImError("BODY_INVALID", `Cannot read ${root}: ${field} ${what}`);
}
