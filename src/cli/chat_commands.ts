import { ImError } from "../base/errors.ts";
import { isName } from "../protocol/names.ts";
import type { PetrelClient } from "../sdk/client.ts";
import type { GroupChange } from "../sdk/groups.ts";
import type { ChatGroups } from "./chat_groups.ts";
import { type ChatLines, clean, type Where } from "./chat_line.ts";
import { cutTo, textWidth } from "./text_width.ts";

const HELP = [
  "Type a line and press Enter to send it.",
  "  /to <account>           talk to somebody else; /to #<group> in a group, by its name or id",
  "  /list                   your conversations, and how much of each is unread",
  "  /history [count]        what was said here last, 20 messages if no count is given",
  "  /new <name> [account…]  make a group and talk there",
  "  /join <id>              join a group and talk there",
  "  /add <account…>         bring somebody into this group",
  "  /members                who is in this group",
  "  /leave                  leave this group",
  "  /help                   this text",
  "  /quit                   leave the chat; so do Ctrl-C and Ctrl-D",
  "  //text                  sends /text",
  "✓ means stored and synced on the server; … means on its way, also while offline.",
].join("\n");

const NAMES = "1 to 60 characters, no spaces, none of , / | :";
const HERE = "You are not talking in a group; /list shows yours, /to #<group> goes there.";
/** Members that are shown. */
const SHOWN = 200;

/** What commands do to the chat. */
export interface ChatPort {
  where(): Where;
  print(text: string): void;
  go(there: Where): void;
  quit(): void;
}

/** The lines that begin with a slash. */
export class ChatCommands {
  readonly #client: PetrelClient;
  readonly #lines: ChatLines;
  readonly #groups: ChatGroups;
  readonly #chat: ChatPort;
  /** Where to be after leaving a group. */
  #person: string;

  constructor(client: PetrelClient, lines: ChatLines, groups: ChatGroups, chat: ChatPort) {
    this.#client = client;
    this.#lines = lines;
    this.#groups = groups;
    this.#chat = chat;
    const { peer, group } = chat.where();
    this.#person = group ? "" : peer;
  }

  /** Does what that line says, and says so when it cannot. */
  async run(text: string): Promise<void> {
    const [word = "", ...rest] = text.split(/\s+/);
    const { group } = this.#chat.where();
    try {
      if (word === "/quit" || word === "/q" || word === "/exit") this.#chat.quit();
      else if (word === "/help") this.#chat.print(HELP);
      else if (word === "/to") await this.#to(rest.join(" "));
      else if (word === "/list") await this.#list();
      else if (word === "/history") await this.#history(rest[0]);
      else if (word === "/new") await this.#new(rest);
      else if (word === "/join") await this.#join(rest.join(" "));
      else if (word === "/add" || word === "/members" || word === "/leave") {
        if (!group) this.#chat.print(HERE);
        else if (word === "/add") await this.#add(rest);
        else if (word === "/members") await this.#members();
        else await this.#leave();
      } else this.#chat.print(`There is no command ${clean(word)}; /help lists them.`);
    } catch (thrown) {
      this.#note(clean(ImError.from(thrown).message));
    }
  }

  /** Somebody else changed a group. */
  async groupChanged({ change, group, accounts }: GroupChange): Promise<void> {
    await this.#groups.learn(group);
    const title = this.#title(group);
    const who = clean(accounts.join(", "));
    if (change === "created") this.#note(`you are in ${title} now; /to ${title} talks there`);
    else this.#note(`${who} ${change} ${title}`);
  }

  async #to(name: string): Promise<void> {
    if (name.length > 1 && name.startsWith("#")) {
      const peer = this.#groups.find(name);
      if (!this.#groups.knows(peer)) await this.#client.groups.get(peer); // says what is wrong with it
      await this.#groups.learn(peer);
      this.#chat.go({ peer, group: true });
    } else if (!isName(name) || name === "#") this.#chat.print(`/to <account>: ${NAMES}`);
    else {
      this.#person = name;
      this.#chat.go({ peer: name, group: false });
    }
  }

  async #list(): Promise<void> {
    const all = await this.#groups.list();
    if (all.length === 0) return this.#note("no conversations yet");
    const titles = all.map((line) => clean(this.#groups.title(line)));
    const wide = Math.max(...titles.map(textWidth));
    const rows = all.map(({ unread, last, group }, i) => {
      const count = unread === 0 ? "" : unread < 1_000 ? `${unread} unread` : "1000+ unread";
      const said = last ? `${group ? `${last.sender}: ` : last.own ? "you: " : ""}${last.body}` : "";
      const name = titles[i]! + " ".repeat(wide - textWidth(titles[i]!));
      return `  ${name}  ${count.padEnd(12)}  ${cutTo(clean(said).replaceAll("\n", " "), 60)}`.trimEnd();
    });
    this.#chat.print(rows.join("\n"));
  }

  async #history(count = "20"): Promise<void> {
    const limit = Number(count);
    if (!Number.isInteger(limit) || limit < 1 || limit > 200) return this.#chat.print("/history [count]: 1 to 200");
    const here = this.#chat.where();
    const { messages } = await this.#client.conversations.history(here.peer, { group: here.group, limit });
    if (messages.length === 0) return this.#note("nothing was said here yet");
    const lines = messages.map((message) => this.#lines.message(message, here));
    this.#chat.print([...lines, this.#lines.note("── up to here ──")].join("\n"));
  }

  async #new([name, ...members]: readonly string[]): Promise<void> {
    const wrong = members.find((member) => !isName(member));
    if (name === undefined) return this.#chat.print("/new <name> [account…]: a name of one word, then who is in it");
    if (wrong !== undefined) return this.#chat.print(`${clean(wrong)} is no account: ${NAMES}`);
    const id = await this.#client.groups.create({ name: name.replace(/^#/, ""), members });
    await this.#groups.learn(id);
    this.#note(`made ${this.#title(id)}; others join it with /join ${id}`);
    this.#chat.go({ peer: id, group: true });
  }

  async #join(text: string): Promise<void> {
    if (text === "") return this.#chat.print("/join <id>");
    const peer = this.#groups.find(text);
    await this.#client.groups.join(peer);
    await this.#groups.learn(peer);
    this.#chat.go({ peer, group: true });
  }

  async #add(accounts: readonly string[]): Promise<void> {
    const wrong = accounts.find((account) => !isName(account));
    if (accounts.length === 0 || wrong !== undefined) return this.#chat.print(`/add <account…>: ${NAMES}`);
    const { peer } = this.#chat.where();
    for (const account of accounts) {
      await this.#client.groups.join(peer, account);
      this.#note(`${account} is in ${this.#title(peer)}`);
    }
  }

  async #members(): Promise<void> {
    const { peer } = this.#chat.where();
    const { memberCount, owner } = await this.#client.groups.get(peer);
    const shown: string[] = [];
    for await (const { account } of this.#client.groups.members(peer)) {
      if (shown.push(account === owner ? `${account} (owner)` : account) === SHOWN) break;
    }
    const more = memberCount > shown.length ? ` and ${memberCount - shown.length} more` : "";
    this.#chat.print(`${this.#title(peer)} (${peer}), ${memberCount} in it: ${clean(shown.join(", "))}${more}`);
  }

  async #leave(): Promise<void> {
    const { peer } = this.#chat.where();
    await this.#client.groups.leave(peer);
    this.#note(`left ${this.#title(peer)}`);
    this.#chat.go({ peer: this.#person || this.#client.account, group: false });
  }

  #title(group: string): string {
    return clean(this.#groups.title({ peer: group, group: true }));
  }

  #note(text: string): void {
    this.#chat.print(this.#lines.note(text));
  }
}
