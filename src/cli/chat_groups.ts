import type { PetrelClient } from "../sdk/client.ts";
import type { Conversation } from "../sdk/conversations.ts";
import { clean, type Where } from "./chat_line.ts";
import { cutTo } from "./text_width.ts";

/** What groups are called: `#lunch` in place of an id. Names are learned from the server, and never waited for. */
export class ChatGroups {
  readonly #client: PetrelClient;
  /** undefined: is being asked for, or cannot be had. */
  readonly #names = new Map<string, string | undefined>();
  #changed: () => void = () => {};

  constructor(client: PetrelClient) {
    this.#client = client;
  }

  /** `changed`: a name became known. */
  onChange(changed: () => void): void {
    this.#changed = changed;
  }

  title({ peer, group }: Where): string {
    return group ? `#${this.#names.get(peer) || peer}` : peer;
  }

  /** The id of the group that a person names, by name or id, with or without `#`; of several with that name the last one. */
  find(text: string): string {
    const name = text.replace(/^#/, "");
    return [...this.#names].findLast(([, known]) => known === name)?.[0] ?? name;
  }

  /** Is its name known? */
  knows(id: string): boolean {
    return this.#names.get(id) !== undefined;
  }

  /** The conversations of this account, a page of them. */
  async list(): Promise<readonly Conversation[]> {
    const { conversations } = await this.#client.conversations.list();
    for (const { peer, group, name } of conversations) if (group) this.#know(peer, name);
    return conversations;
  }

  /** Online: what is called how. That list is of the last hundred; this one matters most. */
  async load(here: Where): Promise<void> {
    await this.list().catch(() => {}); // ids do as well
    if (here.group) await this.learn(here.peer);
  }

  /** Asks for a name that is not known. */
  async learn(id: string): Promise<void> {
    if (this.#names.has(id)) return;
    this.#names.set(id, undefined);
    const group = await this.#client.groups.get(id).catch(() => undefined); // its id does as well
    if (group) this.#know(id, group.name);
  }

  /** @param name whatever its maker wrote: made fit for a prompt */
  #know(id: string, name: string): void {
    this.#names.set(id, cutTo(clean(name).replaceAll(/\s+/g, " ").trim(), 40));
    this.#changed();
  }
}
