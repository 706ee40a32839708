import type { Clock, Timer } from "../base/clock.ts";
import type { ImError } from "../base/errors.ts";
import type { PetrelClient } from "../sdk/client.ts";
import type { StateChange } from "../sdk/options.ts";
import { ChatCommands } from "./chat_commands.ts";
import type { ChatGroups } from "./chat_groups.ts";
import { type ChatLines, clean, type Where } from "./chat_line.ts";
import { ReadMarks } from "./chat_reads.ts";
import { ChatScreen, type Terminal } from "./chat_screen.ts";

/** Messages that are shown while they wait. */
const SHOWN = 5;
/** What waits may still leave when a person quits. */
const LEAVE_MS = 1_500;

/**
 * A chat for a person at a terminal. Resolves with the exit code when they leave, or when the server ends it. `ready` is
 * given what prints a note into the chat.
 */
export function chatTerminal(
  client: PetrelClient,
  where: Where,
  lines: ChatLines,
  groups: ChatGroups,
  terminal: Terminal,
  clock: Clock,
  ready?: (print: (text: string) => void) => void,
): Promise<number> {
  return new Promise((resolve) => {
    const chat = new TerminalChat(client, where, lines, groups, terminal, clock, resolve);
    ready?.((text) => chat.note(text));
    chat.begin();
  });
}

class TerminalChat {
  readonly #client: PetrelClient;
  readonly #lines: ChatLines;
  readonly #screen: ChatScreen;
  readonly #clock: Clock;
  readonly #groups: ChatGroups;
  readonly #commands: ChatCommands;
  readonly #reads: ReadMarks;
  readonly #ended: (code: number) => void;
  #where: Where;
  #state: StateChange = { state: "offline", why: undefined, retryInMs: undefined };
  #stateSince = 0;
  /** What was said about it last: attempts that fail in between are only shown live. */
  #connection: "new" | "up" | "lost" = "new";
  #tick: Timer | undefined;
  #leaving = false;

  constructor(
    client: PetrelClient,
    where: Where,
    lines: ChatLines,
    groups: ChatGroups,
    terminal: Terminal,
    clock: Clock,
    ended: (code: number) => void,
  ) {
    this.#client = client;
    this.#where = where;
    this.#groups = groups;
    this.#reads = new ReadMarks(client, where);
    this.#lines = lines;
    this.#clock = clock;
    this.#ended = ended;
    const events = { line: (text: string) => this.#entered(text), quit: () => void this.#leave() };
    this.#screen = new ChatScreen(terminal, this.#prompt, events, clock);
    this.#commands = new ChatCommands(client, lines, groups, {
      where: () => this.#where,
      print: (text) => this.#screen.print(text),
      go: (there) => this.#go(there),
      quit: () => void this.#leave(),
    });
  }

  begin(): void {
    const client = this.#client;
    this.#screen.print(this.#lines.note(`talking to ${this.#title}; /help says what else there is`));
    client.on("state", (change) => this.#changed(change));
    client.on("sent", (message) => {
      const show = this.#leaving ? message.state === "durable" : message.state !== "sending";
      if (show) this.#screen.print(this.#lines.sent(message, this.#where));
      this.#showLive();
    });
    client.on("storage", ({ error }) => this.#screen.print(this.#lines.note(storageNote(error))));
    client.on("kicked", () => this.#stop("this account and device logged in somewhere else"));
    client.onMessage((message) => {
      if (message.group) void this.#groups.learn(message.peer);
      this.#screen.print(this.#lines.message(message, this.#where));
      this.#reads.shown(message);
    });
    client.on("group", (change) => void this.#commands.groupChanged(change));
    client.on("skipped", ({ group, from, to }) => {
      const title = this.#groups.title({ peer: group, group: true });
      this.#screen.print(this.#lines.note(`${to - from + 1} messages in ${title} are not shown; /history has them`));
    });
    this.#groups.onChange(() => this.#screen.prompt(this.#prompt));
    client.login().catch((error: ImError) => this.#stop(error.message));
    client.on("closed", ({ error }) => this.#stop(error.message));
    this.#tick = this.#clock.every(1_000, () => this.#state.state === "offline" && this.#showLive());
  }

  note(text: string): void {
    if (!this.#leaving) this.#screen.print(this.#lines.note(clean(text)));
  }

  #entered(text: string): void {
    if (this.#leaving || text.trim() === "") return;
    if (!text.startsWith("/")) this.#say(text);
    else if (text.startsWith("//")) this.#say(text.slice(1));
    else void this.#commands.run(text.trim());
  }

  #say(text: string): void {
    const { peer, group } = this.#where;
    this.#client.talk(peer, text, { group });
    this.#showLive();
  }

  #go(there: Where): void {
    this.#where = there;
    this.#screen.prompt(this.#prompt);
    this.#screen.print(this.#lines.note(`talking to ${this.#title}`));
    this.#reads.at(there);
    this.#showLive();
  }

  get #title(): string {
    return clean(this.#groups.title(this.#where));
  }

  get #prompt(): string {
    return `${this.#title}> `;
  }

  #changed(change: StateChange): void {
    this.#state = change;
    this.#stateSince = this.#clock.mono();
    if (change.state === "online") {
      void this.#groups.load(this.#where);
      this.#screen.print(this.#lines.note(this.#connection === "lost" ? "online again" : "online"));
      this.#connection = "up";
    } else if (change.state === "offline" && this.#connection === "up" && change.why) {
      this.#screen.print(this.#lines.note(`connection lost: ${clean(change.why.reason)}`));
      this.#connection = "lost";
    }
    this.#showLive();
  }

  /** What waits, and how it stands with the connection. */
  #showLive(): void {
    const waiting = this.#client.waiting;
    const live = waiting.slice(0, SHOWN).map((message) => this.#lines.waiting(message, this.#where));
    if (waiting.length > SHOWN) live.push(`      and ${waiting.length - SHOWN} more …`);
    const status = this.#status();
    if (status !== "") live.push(status);
    this.#screen.live(live);
  }

  #status(): string {
    if (this.#state.state === "connecting") return "connecting…";
    if (this.#state.state !== "offline" || this.#state.retryInMs === undefined) return "";
    const leftMs = this.#state.retryInMs - (this.#clock.mono() - this.#stateSince);
    return `offline, retrying in ${Math.max(0, Math.ceil(leftMs / 1_000))} s`;
  }

  /** The person leaves. What is on its way gets a moment; what stays is sent at the next start. */
  async #leave(): Promise<void> {
    if (this.#leaving) return;
    this.#leaving = true;
    const waiting = [...this.#client.waiting];
    if (waiting.length > 0 && this.#client.state === "online") {
      const { promise, resolve } = Promise.withResolvers<void>();
      const limit = this.#clock.after(LEAVE_MS, resolve);
      await Promise.race([Promise.allSettled(waiting.map(({ done }) => done)), promise]);
      limit.stop();
    }
    const left = this.#client.waiting.length;
    if (left > 0) this.#screen.print(this.#lines.note(`${left} not sent yet: the next start sends what is left`));
    await this.#finish(0);
  }

  /** The server, or a failure, ends it. */
  #stop(why: string): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#screen.print(this.#lines.note(clean(why)));
    void this.#finish(1);
  }

  async #finish(code: number): Promise<void> {
    this.#tick?.stop();
    await this.#client.close();
    this.#screen.close();
    this.#ended(code);
  }
}

function storageNote(error: ImError | undefined): string {
  if (!error) return "the place in the inbox is saved again";
  return `the place in the inbox and waiting messages are not saved: ${clean(error.message)}`;
}
