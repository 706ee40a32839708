import { PassThrough } from "node:stream";
import { StringDecoder } from "node:string_decoder";

// An escape sequence (CSI, SS3, Alt with a key), or one character.
// deno-lint-ignore no-control-regex
const KEY = /\x1b(?:\[[0-9;]*[A-Za-z~]|O?[^])?|[^]/gu;

/**
 * A terminal's input with one key per event: Bun's readline loses count of the rows when a text of several rows
 * comes in one piece (pasted), and draws it twice.
 */
export function keystrokes(input: NodeJS.ReadStream): NodeJS.ReadStream {
  const keys = new PassThrough();
  const decoder = new StringDecoder("utf8");
  input.on("data", (chunk: Uint8Array | string) => {
    const text = typeof chunk === "string" ? chunk : decoder.write(chunk as Buffer);
    for (const [key] of text.matchAll(KEY)) keys.write(key);
  });
  input.on("end", () => keys.end());
  const setRawMode = (raw: boolean) => {
    input.setRawMode?.(raw);
    return keys;
  };
  return Object.assign(keys, { isTTY: true, setRawMode }) as unknown as NodeJS.ReadStream;
}
