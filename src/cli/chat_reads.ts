import type { PetrelClient } from "../sdk/client.ts";
import type { Message } from "../sdk/message.ts";
import type { Where } from "./chat_line.ts";

/**
 * Tells the server what was read: what is shown of the conversation the person is in. One request at a time, so that a
 * burst of messages is two.
 */
export class ReadMarks {
  readonly #client: PetrelClient;
  readonly #shown = new Map<string, number>();
  readonly #told = new Map<string, number>();
  #here: Where;
  #busy = false;

  constructor(client: PetrelClient, here: Where) {
    this.#client = client;
    this.#here = here;
  }

  /** That message is on the screen. */
  shown({ peer, group, seq, own }: Message): void {
    if (own) return; // sending is reading
    const key = keyOf({ peer, group });
    this.#shown.set(key, Math.max(seq, this.#shown.get(key) ?? 0));
    this.#tell();
  }

  /** The person is there now. */
  at(here: Where): void {
    this.#here = here;
    this.#tell();
  }

  #tell(): void {
    const { peer, group } = this.#here;
    const key = keyOf(this.#here);
    const seq = this.#shown.get(key) ?? 0;
    if (this.#busy || seq <= (this.#told.get(key) ?? 0)) return;
    this.#busy = true;
    this.#told.set(key, seq); // also when it fails: the next message tells more
    const done = () => {
      this.#busy = false;
      this.#tell();
    };
    this.#client.conversations.read(peer, seq, { group }).then(done, done);
  }
}

function keyOf({ peer, group }: Where): string {
  return `${group ? "#" : ""}${peer}`;
}
