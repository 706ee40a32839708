import type { PetrelClient } from "../sdk/client.ts";
import type { Message } from "../sdk/message.ts";
import type { Where } from "./chat_line.ts";

/** Tells the server what was read: what is shown of the conversation the person is in. */
export class ReadMarks {
  readonly #client: PetrelClient;
  /** What was shown while the person was somewhere else, by conversation. */
  readonly #unread = new Map<string, number>();
  #here: Where;

  constructor(client: PetrelClient, here: Where) {
    this.#client = client;
    this.#here = here;
  }

  /** That message is on the screen. */
  shown({ peer, group, seq, own }: Message): void {
    if (own) return; // sending is reading
    this.#unread.set(keyOf({ peer, group }), seq);
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
    const seq = this.#unread.get(key);
    if (seq === undefined) return;
    this.#unread.delete(key);
    void this.#client.conversations.read(peer, seq, { group });
  }
}

function keyOf({ peer, group }: Where): string {
  return `${group ? "#" : ""}${peer}`;
}
