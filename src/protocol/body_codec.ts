import type { BodyType } from "./wire.ts";

/** How bodies are written. A client chooses at login by the meta `im.content`; headers are always protobuf. */
export type Content = "protobuf" | "json" | "msgpack";

/** One way to write bodies. */
export interface BodyCodec {
  readonly content: Content;
  /** The body's bytes. Fields left out are defaults; 64-bit fields are bigint. */
  encode<T>(type: BodyType<T>, message: Partial<T>): Uint8Array;
  /**
   * The message, every field set; of no bytes: all defaults. Unknown fields are skipped.
   * @throws {ImError} BODY_INVALID
   */
  decode<T>(type: BodyType<T>, bytes: Uint8Array): T;
}

/** Objects and lists inside each other in one body, those of unknown fields included. Ours need three. */
export const MAX_DEPTH = 16;
