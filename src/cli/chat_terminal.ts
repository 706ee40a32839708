import type { Clock, Timer } from "../base/clock.ts";
import type { ImError } from "../base/errors.ts";
import { isName } from "../protocol/names.ts";
import type { PetrelClient } from "../sdk/client.ts";
import type { StateChange } from "../sdk/options.ts";
import { type ChatLines, clean } from "./chat_line.ts";
import { ChatScreen, type Terminal } from "./chat_screen.ts";

/** Messages that are shown while they wait. */
const SHOWN = 5;
/** What waits may still leave when a person quits. */
const LEAVE_MS = 1_500;

const HELP = [
  "Type a line and press Enter to send it.",
  "  /to <account>   talk to somebody else",
  "  /help           this text",
  "  /quit           leave; so do Ctrl-C and Ctrl-D",
  "  //text          sends /text",
  "✓ means stored and synced on the server; … means on its way, also while offline.",
].join("\n");

/** A chat for a person at a terminal. Resolves with the exit code when they leave, or when the server ends it. */
export function chatTerminal(
  client: PetrelClient,
  dest: string,
  lines: ChatLines,
  terminal: Terminal,
  clock: Clock,
): Promise<number> {
  return new Promise((resolve) => {
    const chat = new TerminalChat(client, dest, lines, terminal, clock, resolve);
    chat.begin();
  });
}

class TerminalChat {
  readonly #client: PetrelClient;
  readonly #lines: ChatLines;
  readonly #screen: ChatScreen;
  readonly #clock: Clock;
  readonly #ended: (code: number) => void;
  #dest: string;
  #state: StateChange = { state: "offline", why: undefined, retryInMs: undefined };
  #stateSince = 0;
  /** What was said about it last: attempts that fail in between are only shown live. */
  #connection: "new" | "up" | "lost" = "new";
  #tick: Timer | undefined;
  #leaving = false;

  constructor(
    client: PetrelClient,
    dest: string,
    lines: ChatLines,
    terminal: Terminal,
    clock: Clock,
    ended: (code: number) => void,
  ) {
    this.#client = client;
    this.#dest = dest;
    this.#lines = lines;
    this.#clock = clock;
    this.#ended = ended;
    const events = { line: (text: string) => this.#entered(text), quit: () => void this.#leave() };
    this.#screen = new ChatScreen(terminal, `${dest}> `, events, clock);
  }

  begin(): void {
    const client = this.#client;
    this.#screen.print(this.#lines.note(`talking to ${this.#dest}; /help says what else there is`));
    client.on("state", (change) => this.#changed(change));
    client.on("sent", (message) => {
      const show = this.#leaving ? message.state === "durable" : message.state !== "sending";
      if (show) this.#screen.print(this.#lines.sent(message, this.#dest));
      this.#showLive();
    });
    client.on("storage", ({ error }) => this.#screen.print(this.#lines.note(storageNote(error))));
    client.on("kicked", () => this.#stop("this account and device logged in somewhere else"));
    client.onMessage((message) => this.#screen.print(this.#lines.message(message, this.#dest)));
    client.login().catch((error: ImError) => this.#stop(error.message));
    client.on("closed", ({ error }) => this.#stop(error.message));
    this.#tick = this.#clock.every(1_000, () => this.#state.state === "offline" && this.#showLive());
  }

  #entered(text: string): void {
    if (this.#leaving || text.trim() === "") return;
    if (!text.startsWith("/")) this.#say(text);
    else if (text.startsWith("//")) this.#say(text.slice(1));
    else this.#command(text.trim());
  }

  #say(text: string): void {
    this.#client.talk(this.#dest, text);
    this.#showLive();
  }

  #command(text: string): void {
    const [word, ...rest] = text.split(/\s+/);
    const name = rest.join(" ");
    if (word === "/quit" || word === "/q" || word === "/exit") void this.#leave();
    else if (word === "/help") this.#screen.print(HELP);
    else if (word !== "/to") this.#screen.print(`There is no command ${clean(word ?? "")}; /help lists them.`);
    else if (!isName(name)) this.#screen.print("/to <account>: 1 to 60 characters, no spaces, none of , / | :");
    else {
      this.#dest = name;
      this.#screen.prompt(`${name}> `);
      this.#screen.print(this.#lines.note(`talking to ${name}`));
      this.#showLive();
    }
  }

  #changed(change: StateChange): void {
    this.#state = change;
    this.#stateSince = this.#clock.mono();
    if (change.state === "online") {
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
    const live = waiting.slice(0, SHOWN).map((message) => this.#lines.waiting(message, this.#dest));
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
