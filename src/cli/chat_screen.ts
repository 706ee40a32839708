import { clearScreenDown, createInterface, cursorTo, type Interface, moveCursor } from "node:readline";
import type { Clock } from "../base/clock.ts";
import { keystrokes } from "./keystrokes.ts";
import { cutTo, textWidth } from "./text_width.ts";

/** A terminal, as Node has it. */
export interface Terminal {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
}

/**
 * A terminal in three parts: lines that stay, then a few that change, then the line being typed.
 *
 *   12:03 bob: hi                 printed once, scrolls away
 *   12:04 ann: how are you …      live: drawn anew whenever it changes
 *   bob> what abou▊               node:readline edits it; nothing that is printed disturbs it
 */
export class ChatScreen {
  readonly #output: NodeJS.WriteStream;
  readonly #clock: Clock;
  readonly #readline: Interface;
  #prompt: string;
  #live: readonly string[] = [];
  /** Rows that the live part has on the screen now. */
  #drawn = 0;
  #printed: string[] = [];
  #due = false;
  #closed = false;

  /** `line`: one was entered. `quit`: Ctrl-C or Ctrl-D. */
  constructor(terminal: Terminal, prompt: string, events: { line(text: string): void; quit(): void }, clock: Clock) {
    const { input, output } = terminal;
    this.#output = output;
    this.#clock = clock;
    this.#prompt = prompt;
    this.#readline = createInterface({ input: keystrokes(input), output, prompt, terminal: true, historySize: 200 });
    this.#readline.on("line", (text) => {
      this.#eraseEntered(text);
      events.line(text);
      this.#draw();
    });
    this.#readline.on("SIGINT", () => events.quit());
    this.#readline.on("close", () => events.quit());
    this.#draw();
  }

  /** A line that stays, or several. */
  print(text: string): void {
    this.#printed.push(text);
    this.#soon();
  }

  /** The lines between those that stay and the one being typed; each is cut to one row. */
  live(lines: readonly string[]): void {
    this.#live = lines;
    this.#soon();
  }

  prompt(text: string): void {
    this.#prompt = text;
    this.#readline.setPrompt(text);
    this.#soon();
  }

  /** Ends: what was printed stays, the live part and the typed line go. */
  close(): void {
    if (this.#closed) return;
    this.#live = [];
    this.#erase(this.#cursorRow);
    this.#writePrinted();
    this.#closed = true;
    this.#readline.close();
  }

  /** One redraw for all that happened in this tick. */
  #soon(): void {
    if (this.#due || this.#closed) return;
    this.#due = true;
    this.#clock.endOfTick(() => {
      this.#due = false;
      if (this.#closed) return;
      this.#erase(this.#cursorRow);
      this.#draw();
    });
  }

  /** Row of the cursor, counted from the row of the prompt. */
  get #cursorRow(): number {
    return this.#readline.getCursorPos().rows;
  }

  /** Enter has left the line on the screen and the cursor below it. */
  #eraseEntered(text: string): void {
    this.#erase(Math.floor(textWidth(this.#prompt + text) / this.#columns) + 1);
  }

  /** From the first live row on, when the cursor stands so many rows below the live part. */
  #erase(rowsBelow: number): void {
    moveCursor(this.#output, 0, -(rowsBelow + this.#drawn));
    cursorTo(this.#output, 0);
    clearScreenDown(this.#output);
    this.#drawn = 0;
    // readline goes up by the rows it believes to be below the prompt; they are gone.
    (this.#readline as { prevRows?: number }).prevRows = 0;
  }

  /** The cursor stands where the live part begins. */
  #draw(): void {
    if (this.#closed) return;
    this.#writePrinted();
    const lines = this.#live.map((line) => cutTo(line, this.#columns - 1));
    for (const line of lines) this.#output.write(`${DIM}${line}${NORMAL}\r\n`);
    this.#drawn = lines.length;
    this.#readline.prompt(true);
  }

  #writePrinted(): void {
    // While the terminal is in raw mode nobody turns a line feed into a new line.
    if (this.#printed.length > 0) this.#output.write(this.#printed.join("\n").replaceAll("\n", "\r\n") + "\r\n");
    this.#printed = [];
  }

  get #columns(): number {
    return this.#output.columns || 80;
  }
}

const DIM = "\x1b[2m";
const NORMAL = "\x1b[22m";
