import { PassThrough, Writable } from "node:stream";
import { sleep, systemClock } from "../base/clock.ts";
import type { Terminal } from "./chat_screen.ts";

/**
 * A terminal of so many columns in memory: what node:readline and we write, as rows of text. Knows CR, LF and the
 * sequences that move the cursor and clear; styles are skipped. Wide characters are not for it.
 */
export class FakeTerminal {
  readonly rows: string[] = [""];
  readonly #columns: number;
  readonly #input = new PassThrough();
  readonly #output: Writable;
  #row = 0;
  #column = 0;

  constructor(columns: number) {
    this.#columns = columns;
    this.#output = new Writable({
      decodeStrings: false,
      write: (text, _encoding, done) => {
        this.#write(String(text));
        done();
      },
    });
    Object.assign(this.#input, { isTTY: true, setRawMode: () => this.#input });
    Object.assign(this.#output, { isTTY: true, columns, rows: 24 });
  }

  get terminal(): Terminal {
    return { input: this.#input, output: this.#output } as unknown as Terminal;
  }

  /** What a person types; resolves when it has been dealt with. */
  async type(text: string): Promise<void> {
    this.#input.write(text);
    await this.settled();
  }

  /** Resolves when everything that needs no time has happened and been drawn. */
  async settled(): Promise<void> {
    for (let i = 0; i < 3; i++) await sleep(systemClock, 2);
  }

  /** Rows without empty ones at the end. */
  get text(): string {
    return this.rows.map((row) => row.trimEnd()).join("\n").trimEnd();
  }

  /** Where the next typed character will stand: row from the top, column. */
  get cursor(): readonly [number, number] {
    return [this.#row, this.#column];
  }

  #write(text: string): void {
    // deno-lint-ignore no-control-regex
    for (const part of text.match(/\x1b\[[\d;?]*[A-Za-z]|[^]/gu) ?? []) {
      if (part.startsWith("\x1b[")) this.#control(part.at(-1)!, Number.parseInt(part.slice(2), 10));
      else if (part === "\r") this.#column = 0;
      else if (part === "\n") this.#line(this.#row + 1);
      else this.#put(part);
    }
  }

  #control(letter: string, number: number): void {
    const by = Number.isNaN(number) ? 1 : number;
    if (letter === "A") this.#line(Math.max(0, this.#row - by));
    else if (letter === "B") this.#line(this.#row + by);
    else if (letter === "C") this.#column = Math.min(this.#columns - 1, this.#column + by);
    else if (letter === "D") this.#column = Math.max(0, this.#column - by);
    else if (letter === "G") this.#column = by - 1;
    else if (letter === "J") {
      this.rows[this.#row] = this.rows[this.#row]!.slice(0, this.#column);
      this.rows.length = this.#row + 1;
    } else if (letter === "K") this.rows[this.#row] = this.rows[this.#row]!.slice(0, this.#column);
  }

  #line(row: number): void {
    while (this.rows.length <= row) this.rows.push("");
    this.#row = row;
  }

  #put(char: string): void {
    if (this.#column === this.#columns) {
      this.#line(this.#row + 1);
      this.#column = 0;
    }
    const row = this.rows[this.#row]!.padEnd(this.#column);
    this.rows[this.#row] = row.slice(0, this.#column) + char + row.slice(this.#column + 1);
    this.#column++;
  }
}
