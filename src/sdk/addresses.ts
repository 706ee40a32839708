import { ImError } from "../base/errors.ts";

/** One address or several, in the order they are tried. */
export type Urls = string | readonly string[];

/**
 * The addresses of the servers: the one that works is kept until it fails, then the next is tried. A function is asked
 * when all it gave have failed; as long as it has no answer, the old ones serve.
 */
export class Addresses {
  readonly #ask: (() => Urls | Promise<Urls>) | undefined;
  #list: readonly string[] = [];
  #at = 0;

  /** @throws {ImError} CONFIG: none, or one that is not a URL. */
  constructor(url: Urls | (() => Urls | Promise<Urls>)) {
    if (typeof url === "function") this.#ask = url;
    else this.#list = checked(url);
  }

  /** Of the present or next attempt; "" as long as there is none. */
  get current(): string {
    return this.#list[this.#at] ?? "";
  }

  /** The address to try now. Rejects when there is none. */
  async get(): Promise<string> {
    if (this.#at >= this.#list.length) {
      try {
        if (this.#ask) this.#list = checked(await this.#ask());
      } catch (thrown) {
        if (this.#list.length === 0) throw thrown;
      }
      this.#at = 0;
    }
    return this.current;
  }

  /** The present address did not work, or works no longer. */
  failed(): void {
    if (++this.#at >= this.#list.length && !this.#ask) this.#at = 0;
  }
}

function checked(url: Urls): readonly string[] {
  const list = typeof url === "string" ? [url] : url;
  if (list.length === 0) throw new ImError("CONFIG", "Cannot connect: there is no address");
  for (const one of list) if (!URL.canParse(one)) throw new ImError("CONFIG", `Cannot connect: ${one} is not a URL`);
  return list;
}
