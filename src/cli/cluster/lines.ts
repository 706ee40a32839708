import { readableLine } from "../log_line.ts";

/** Bright enough on dark and light grounds. */
const COLORS = [36, 33, 35, 32, 34, 96, 95, 92, 94, 93] as const;

/** Writes what processes say with their names before it, aligned, each in its color. */
export class ClusterLines {
  readonly #width: number;
  readonly #names: readonly string[];
  readonly #colors: boolean;
  readonly #write: (text: string) => void;

  constructor(names: readonly string[], colors: boolean, write: (text: string) => void) {
    this.#names = names;
    this.#width = Math.max(...names.map((name) => name.length));
    this.#colors = colors;
    this.#write = write;
  }

  /** A line of a process; entries of its log are made readable. */
  line(name: string, text: string): void {
    const shown = text.startsWith("{") ? readableLine(text, this.#colors).trimEnd() : text;
    for (const one of shown.split("\n")) this.#write(`${this.#head(name)} ${one}\n`);
  }

  #head(name: string): string {
    const text = `${name.padEnd(this.#width)} |`;
    if (!this.#colors) return text;
    return `\x1b[${COLORS[Math.max(0, this.#names.indexOf(name)) % COLORS.length]}m${text}\x1b[0m`;
  }
}
