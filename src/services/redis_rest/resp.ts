import { ImError } from "../../base/errors.ts";

/** One argument of a command: text, or bytes as they are. */
export type Arg = string | Uint8Array;

/** An error that Redis answered: `ERR no such key`. */
export class RedisError {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** A status line, `OK`: unlike bulk strings it is never binary. */
export class RedisStatus {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** What Redis answers (RESP2). Bulk strings are copies of the bytes. */
export type Reply = RedisStatus | RedisError | number | Uint8Array | null | readonly Reply[];

/** Larger replies, with all that is in them, close the connection. */
export const MOST_REPLY_BYTES = 64 << 20;
const MOST_LINE_BYTES = 64 << 10;
const MOST_DEPTH = 32;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const CR = 13;

/** Commands as Redis reads them: arrays of bulk strings, one after the other. */
export function encodeCommands(commands: readonly (readonly Arg[])[]): Uint8Array {
  // hot: per request
  const parts: Uint8Array[] = [];
  let text = "";
  for (const args of commands) {
    text += `*${args.length}\r\n`;
    for (const arg of args) {
      if (typeof arg === "string") text += `$${utf8Length(arg)}\r\n${arg}\r\n`;
      else {
        parts.push(encoder.encode(`${text}$${arg.length}\r\n`), arg);
        text = "\r\n";
      }
    }
  }
  if (parts.length === 0) return encoder.encode(text);
  parts.push(encoder.encode(text));
  return joined(parts);
}

function utf8Length(text: string): number {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return encoder.encode(text).length;
  return text.length;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** An array whose items are still coming. */
interface Open {
  readonly items: Reply[];
  left: number;
}

/** Takes a stream of replies, cut anywhere. */
export class ReplyReader {
  #bytes = new Uint8Array(4096);
  #start = 0;
  #end = 0;
  /** Nothing can be read before so many bytes are there. */
  #needed = 1;
  readonly #open: Open[] = [];
  /** Bytes of the reply that is being read. */
  #size = 0;

  /** The replies that these bytes complete. @throws {ImError} FRAME_INVALID, FRAME_TOO_LARGE: drop the connection. */
  push(chunk: Uint8Array): Reply[] {
    this.#append(chunk);
    const replies: Reply[] = [];
    while (this.#end - this.#start >= this.#needed) {
      const item = this.#item();
      if (item === undefined) break;
      this.#needed = 1;
      const whole = this.#place(item);
      if (whole === undefined) continue;
      this.#size = 0;
      replies.push(whole);
    }
    if (this.#start === this.#end) this.#start = this.#end = 0;
    return replies;
  }

  #append(chunk: Uint8Array): void {
    if (this.#end + chunk.length > this.#bytes.length) {
      const kept = this.#end - this.#start;
      const enough = Math.max(kept + chunk.length, this.#needed);
      const larger = enough > this.#bytes.length
        ? new Uint8Array(Math.max(enough, 2 * this.#bytes.length))
        : this.#bytes;
      larger.set(this.#bytes.subarray(this.#start, this.#end));
      this.#bytes = larger;
      this.#start = 0;
      this.#end = kept;
    }
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** The next simple value, or the begin of an array; undefined: its bytes are not all there. */
  #item(): Reply | Open | undefined {
    const found = this.#bytes.subarray(this.#start, this.#end).indexOf(CR);
    const have = this.#end - this.#start;
    if (found < 0 || found + 2 > have) {
      if (have > MOST_LINE_BYTES) throw new ImError("FRAME_INVALID", "Cannot read reply: a line has no end");
      this.#needed = have + 1;
      return undefined;
    }
    const line = decoder.decode(this.#bytes.subarray(this.#start + 1, this.#start + found));
    const kind = this.#bytes[this.#start];
    const after = this.#start + found + 2;
    if (kind === 0x24) return this.#bulk(count(line), after, found + 2);
    this.#grow(found + 2);
    this.#start = after;
    if (kind === 0x2b) return new RedisStatus(line);
    if (kind === 0x2d) return new RedisError(line);
    if (kind === 0x3a) return Number(line);
    if (kind !== 0x2a) throw new ImError("FRAME_INVALID", `Cannot read reply: its type is byte ${kind}`);
    const length = count(line);
    if (length < 0) return null;
    if (length === 0) return [];
    if (this.#open.length >= MOST_DEPTH) throw new ImError("FRAME_INVALID", "Cannot read reply: too many levels");
    return { items: [], left: length };
  }

  #bulk(length: number, after: number, lineBytes: number): Uint8Array | null | undefined {
    if (length < 0) {
      this.#start = after;
      return null;
    }
    const needed = lineBytes + length + 2;
    if (this.#size + needed > MOST_REPLY_BYTES) throw tooLarge();
    if (this.#end - this.#start < needed) {
      this.#needed = needed;
      return undefined;
    }
    this.#grow(needed);
    this.#start = after + length + 2;
    return this.#bytes.slice(after, after + length);
  }

  #grow(bytes: number): void {
    this.#size += bytes;
    if (this.#size > MOST_REPLY_BYTES) throw tooLarge();
  }

  /** Puts a value where it belongs; gives a whole reply when this completed one. */
  #place(item: Reply | Open): Reply | undefined {
    if (isOpen(item)) {
      this.#open.push(item);
      return undefined;
    }
    let value = item;
    for (;;) {
      const into = this.#open.at(-1);
      if (!into) return value;
      into.items.push(value);
      if (--into.left > 0) return undefined;
      this.#open.pop();
      value = into.items;
    }
  }
}

function isOpen(item: Reply | Open): item is Open {
  return typeof item === "object" && item !== null && "left" in item;
}

function count(line: string): number {
  const length = Number(line);
  if (!/^-?\d+$/.test(line) || length < -1) {
    throw new ImError("FRAME_INVALID", "Cannot read reply: a length is no number");
  }
  return length;
}

function tooLarge(): ImError {
  return new ImError("FRAME_TOO_LARGE", `Cannot read reply: it has more than ${MOST_REPLY_BYTES} bytes`);
}
