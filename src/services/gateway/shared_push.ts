import type { Sequenced } from "./sequencer.ts";
import type { Header } from "../../protocol/header.ts";
import { META, textMeta } from "../../protocol/meta.ts";
import { encodeLogic } from "../../protocol/packet.ts";

/** One push for any number of channels: encoded once for old clients, and with `im.pos` for each of ours. */
export class SharedPush implements Sequenced {
  readonly bytes: number;
  readonly #header: Header;
  readonly #body: Uint8Array;
  #plain: Uint8Array | undefined;

  /** `header` has no metas. */
  constructor(header: Header, body: Uint8Array) {
    this.#header = header;
    this.#body = body;
    this.bytes = body.length + 128;
  }

  encode(caps: boolean, pos: number): Uint8Array {
    if (!caps || pos === 0) return this.#plain ??= encodeLogic(this.#header, this.#body);
    return encodeLogic({ ...this.#header, meta: [textMeta(META.POS, String(pos))] }, this.#body);
  }
}
