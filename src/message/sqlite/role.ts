import type { Packer, Unpacker } from "./wire.ts";

/** One half of the store, wherever it runs: takes requests and writes replies. */
export interface Role extends Disposable {
  /** @throws {ImError | Stop} */
  handle(request: Unpacker, reply: Packer): void;
}
