import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * What scripts/doc_examples.ts does with a page. Each comes from a mark, a comment in front of a block:
 *
 *   <!-- run: one -->             the block's commands are given in the terminal of that name, and end well
 *   <!-- start: one -->           the same, and what they start goes on
 *   <!-- file: chat.mjs -->       the block is put into that file
 *   <!-- type: one -->            the block is typed there
 *   <!-- see: one -->             the block's lines appear there, in that order; … stands for any text
 *   <!-- types -->                the block is a program of its own that is compiled, not run
 *   <!-- not run: why -->         the block is only read
 *
 * or stands alone: `<!-- press: one ctrl-c -->`, `<!-- open: tab one 2 -->` (the second address that terminal one has
 * shown since its last command, in a browser tab of that name). A `run` or `start` with `; bun` or `; node` behind the
 * name is for readers who have that.
 */
export type Step =
  & { readonly where: string }
  & (
    | {
      readonly do: "run";
      readonly terminal: string;
      readonly stays: boolean;
      /** Undefined: for all. */
      readonly form: Form | undefined;
      readonly text: string;
    }
    | { readonly do: "write"; readonly file: string; readonly text: string }
    | { readonly do: "type" | "see"; readonly place: string; readonly text: string }
    | { readonly do: "press"; readonly place: string; readonly key: Key }
    | { readonly do: "open"; readonly tab: string; readonly terminal: string; readonly nth: number }
  );

export type Form = "bun" | "node";
/** `reload` is for browser tabs, the others for terminals. */
export type Key = "ctrl-c" | "ctrl-d" | "reload";

/** A program in a page. */
export interface Program {
  /** `page.md:line`. */
  readonly where: string;
  readonly text: string;
}

export interface Page {
  readonly path: string;
  readonly steps: readonly Step[];
  /** To be compiled: TypeScript, or JavaScript that is TypeScript too. */
  readonly programs: readonly Program[];
  /** What nobody runs, with the reason. */
  readonly unread: readonly string[];
  readonly problems: readonly string[];
}

const FENCE = /^```(\w*)$/;
const MARK = /^<!-- (run|start|file|type|see|press|open|types|not run)(?:: (.+?))? -->$/;
const KEYS: readonly Key[] = ["ctrl-c", "ctrl-d", "reload"];
const PROGRAM = /^(ts|js)$/;

/** README.md and the pages of src/docs. */
export function readPages(root: string): Page[] {
  const folder = join(root, "src/docs");
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".md")).sort() : [];
  return ["README.md", ...names.map((name) => `src/docs/${name}`)]
    .map((path) => readPage(path, readFileSync(join(root, path), "utf8")));
}

/** What an example in the generated reference begins with; any other block there is a declaration. */
const EXAMPLE = /^(import |const |await |for await |client\.)/;
/** Short examples there are about a client. */
const CLIENT = `import type { PetrelClient } from "petrel";\ndeclare const client: PetrelClient;\n`;

/** A page's steps. */
export function readPage(path: string, text: string): Page {
  const generated = /\/reference\w*\.md$/.test(path);
  const lines = text.split("\n");
  const steps: Step[] = [];
  const programs: Program[] = [];
  const unread: string[] = [];
  const problems: string[] = [];
  let mark: { readonly word: string; readonly rest: string; readonly where: string } | undefined;
  for (let at = 0; at < lines.length; at++) {
    const where = `${path}:${at + 1}`;
    const line = lines[at] ?? "";
    const [, word, rest = ""] = MARK.exec(line) ?? [];
    const language = FENCE.exec(line)?.[1];
    if (word !== undefined) {
      if (mark !== undefined) problems.push(`${mark.where}: no block follows this mark`);
      mark = { word, rest, where };
      const alone = word === "press" ? press(where, rest) : word === "open" ? open(where, rest) : undefined;
      if (word !== "press" && word !== "open") continue;
      if (alone) steps.push(alone);
      else problems.push(`${where}: this mark says nothing that can be done`);
      mark = undefined;
    } else if (language !== undefined) {
      const end = lines.indexOf("```", at + 1);
      if (end < 0) problems.push(`${where}: the block does not end`);
      const block = lines.slice(at + 1, end < 0 ? lines.length : end).join("\n");
      at = end < 0 ? lines.length : end;
      const program = { where, text: block };
      if (mark === undefined) {
        if (!generated) problems.push(`${where}: a block without a mark; scripts/doc_blocks.ts has them`);
        else if (block.startsWith("import ")) programs.push(program);
        else if (EXAMPLE.test(block)) programs.push({ where, text: CLIENT + block });
        continue;
      }
      if (mark.word === "not run") unread.push(`${where}: ${mark.rest}`);
      else if (mark.word === "types" || mark.word === "file" && PROGRAM.test(language)) programs.push(program);
      const step = stepOf(mark.word, mark.rest, program);
      if (step) steps.push(step);
      mark = undefined;
    } else if (line.trim() !== "" && mark !== undefined) {
      problems.push(`${mark.where}: no block follows this mark`);
      mark = undefined;
    }
  }
  return { path, steps, programs, unread, problems };
}

function stepOf(word: string, rest: string, { where, text }: Program): Step | undefined {
  if (word === "file") return { do: "write", where, file: rest, text };
  if (word === "type" || word === "see") return { do: word, where, place: rest, text };
  if (word !== "run" && word !== "start") return undefined;
  const [, terminal = rest, form] = /^(\w+); (bun|node)$/.exec(rest) ?? [];
  const stays = word === "start";
  return { do: "run", where, terminal, stays, form: form === "bun" || form === "node" ? form : undefined, text };
}

function press(where: string, rest: string): Step | undefined {
  const [, place = "", name] = /^(\w+) (\S+)$/.exec(rest) ?? [];
  const key = KEYS.find((one) => one === name);
  return key === undefined ? undefined : { do: "press", where, place, key };
}

function open(where: string, rest: string): Step | undefined {
  const [, tab = "", terminal = "", nth] = /^(\w+) (\w+) (\d+)$/.exec(rest) ?? [];
  return nth === undefined ? undefined : { do: "open", where, tab, terminal, nth: Number(nth) };
}
