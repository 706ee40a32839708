import type { ChangeMembers, CreateGroup } from "../../src/message/group_store.ts";

/** Groups by id. */
export type Groups = Map<string, ModelGroup>;

/** A group as a set of names. */
export class ModelGroup {
  readonly app: string;
  readonly #limit: number;
  owner: string;
  large: boolean;
  /** In the order they joined. */
  readonly members: Set<string>;

  constructor({ app, owner, members }: CreateGroup, limit: number) {
    this.app = app;
    this.owner = owner;
    this.members = new Set([owner, ...members]);
    this.#limit = limit;
    this.large = this.members.size > limit;
  }

  /** Whose membership would change, or the code of the refusal. */
  changes(what: "join" | "quit", { accounts, by }: ChangeMembers): string[] | string {
    const names = [...new Set(accounts)];
    const alone = names.length === 1 && names[0] === by;
    const may = by === undefined || alone || (what === "join" ? this.members.has(by) : this.owner === by);
    return may ? names.filter((name) => this.members.has(name) === (what === "quit")) : "UNAUTHORIZED";
  }

  /** Does it. */
  change(what: "join" | "quit", changed: readonly string[]): void {
    for (const name of changed) {
      if (what === "join") this.members.add(name);
      else this.members.delete(name);
      if (what === "quit" && name === this.owner) this.owner = "";
    }
    this.large ||= this.members.size > this.#limit;
  }
}
