import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ImError } from "../base/errors.ts";
import type { ClientStorage, Saved, SavedMessage, SavedPosition } from "../sdk/storage.ts";

/** `<data>/chat/<account>.json`; another app than kim has a folder of its own, another device a name of its own. */
export function chatFile(data: string, app: string, account: string, device: string): string {
  const name = device === "terminal" ? `${account}.json` : `${account}@${device}.json`;
  return app === "kim" ? join(data, "chat", name) : join(data, "chat", app, name);
}

/**
 * One JSON file that is replaced as a whole, so that it is never half written. `load` rejects with CONFIG when what is
 * there cannot be understood; from then on so does everything else, and the file is left alone.
 */
export class FileStorage implements ClientStorage {
  readonly #path: string;
  readonly #keepMessages: boolean;
  readonly #messages = new Map<string, SavedMessage>();
  #position: SavedPosition | undefined;
  #unreadable: ImError | undefined;

  /** @param keepMessages false: what waits to be sent ends with the process. */
  constructor(path: string, keepMessages: boolean) {
    this.#path = path;
    this.#keepMessages = keepMessages;
  }

  async load(): Promise<Saved> {
    const saved = await this.#read();
    this.#position = saved.position;
    for (const message of saved.messages ?? []) this.#messages.set(message.id, message);
    return this.#keepMessages ? saved : { ...saved, messages: [] };
  }

  savePosition(position: SavedPosition): Promise<void> {
    this.#position = position;
    return this.#write();
  }

  saveMessage(message: SavedMessage): Promise<void> {
    if (!this.#keepMessages) return Promise.resolve();
    this.#messages.set(message.id, message);
    return this.#write();
  }

  dropMessage(id: string): Promise<void> {
    return this.#messages.delete(id) ? this.#write() : Promise.resolve();
  }

  async #read(): Promise<Saved> {
    let text: string;
    try {
      text = await readFile(this.#path, "utf8");
    } catch (thrown) {
      if ((thrown as { code?: unknown }).code === "ENOENT") return {};
      throw new ImError("CONFIG", `Cannot read ${this.#path}: ${(thrown as Error).message}`, { cause: thrown });
    }
    const saved = parse(text);
    if (saved) return saved;
    throw this.#unreadable = new ImError("CONFIG", `Cannot read ${this.#path}: remove it to begin anew`);
  }

  async #write(): Promise<void> {
    if (this.#unreadable) throw this.#unreadable;
    const saved: Saved = {
      ...(this.#position ? { position: this.#position } : {}),
      messages: [...this.#messages.values()],
    };
    await mkdir(dirname(this.#path), { recursive: true });
    await writeFile(`${this.#path}.new`, JSON.stringify(saved), { mode: 0o600 });
    await rename(`${this.#path}.new`, this.#path);
  }
}

/** What the file says, undefined when it is not what this program writes. */
function parse(text: string): Saved | undefined {
  try {
    const content: unknown = JSON.parse(text);
    if (Array.isArray(content)) return undefined;
    const { position, messages = [] } = content as Saved;
    const sound = messages.every(({ id, dest, body }) => [id, dest, body].every((one) => typeof one === "string"));
    if (position === undefined) return sound ? { messages } : undefined;
    const { cursor, epoch, seen, groups = {} } = position;
    const known = Number.isSafeInteger(cursor) && cursor >= 0 && typeof epoch === "string" &&
      seen.every((id) => /^\d{1,19}$/.test(id)) && Object.values(groups ?? {}).every(Number.isSafeInteger);
    return sound && known ? { position, messages } : undefined;
  } catch {
    return undefined; // not JSON, or of another shape
  }
}
