import { z } from "zod";

/** What people are told about a setting. `preset` is written as a person would write it. */
export interface SettingText {
  /** The kind of value, one word: `host:port`. */
  readonly value: string;
  readonly help: string;
  readonly preset?: string;
  /** Its environment variable, when that is not made from the key. */
  readonly variable?: string;
  /** Its value is in no message. */
  readonly secret?: true;
}

/** A schema whose keys become `--message-rate`, `PETREL_MESSAGE_RATE` and, in a config file, `messageRate`. */
export type SettingsSchema = z.ZodObject<Record<string, z.ZodType>>;

const texts = z.registry<SettingText>();

/** Reads a text; undefined: it is not what was `expected`. Numbers and booleans of a config file come as text. */
export function setting<T>(text: SettingText & { preset: string }, expected: string, parse: Parse<T>): z.ZodType<T>;
export function setting<T>(text: SettingText, expected: string, parse: Parse<T>): z.ZodType<T | undefined>;
export function setting<T>(text: SettingText, expected: string, parse: Parse<T>): z.ZodType<T | undefined> {
  const read = z.union([z.string(), z.number(), z.boolean()]).transform(String).transform((given, ctx) => {
    const value = parse(given.trim());
    if (value === undefined) ctx.issues.push({ code: "custom", input: given, message: `expected ${expected}` });
    return value as T; // with an issue the value is not used
  });
  const schema = text.preset === undefined ? read.optional() : read.prefault(text.preset);
  texts.add(schema, text);
  return schema;
}

type Parse<T> = (text: string) => T | undefined;

export function wholeNumber(from: number, to: number): Parse<number> {
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : NaN;
    return number >= from && number <= to ? number : undefined;
  };
}

export function oneOf<const T extends string>(words: readonly T[]): Parse<T> {
  return (text) => words.find((word) => word === text);
}

/** One setting by all its names. */
export interface NamedSetting {
  readonly key: string;
  /** `--message-rate` */
  readonly flag: string;
  /** `PETREL_MESSAGE_RATE` */
  readonly variable: string;
  readonly text: SettingText;
}

/** The settings of a schema, in its order. */
export function namedSettings(schema: SettingsSchema): NamedSetting[] {
  return Object.entries(schema.shape).map(([key, one]) => {
    const words = key.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
    const text = texts.get(one);
    if (!text) throw new Error(`Cannot describe ${key}: it was not made by setting()`);
    const variable = text.variable ?? `PETREL_${words.join("_").toUpperCase()}`;
    return { key, flag: `--${words.join("-")}`, variable, text };
  });
}
