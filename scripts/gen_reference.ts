/** Writes the reference in src/docs: a page for each public door, every name with its doc comment. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { checkMain } from "./check_main.ts";
import { runtimeCommand } from "./runtimes.ts";

const USAGE = `Usage: gen_reference.ts [--update] [--root <folder>] [--help]
Checks that the pages src/docs/reference*.md are what the doc comments behind package.json \`exports\` say; --update
writes them.`;

/** These come first, in the order of a first reading; the others follow by name. */
const FIRST = [
  "PetrelClient",
  "ClientOptions",
  "ClientEvents",
  "Message",
  "SentMessage",
  "TalkOptions",
  "Gateway",
  "LogicServer",
  "CommandRouter",
];
const MOST_OUTPUT = 64 << 20;

/** What `deno doc --json` says of a name, as far as it is used here. */
interface Place {
  readonly filename: string;
  readonly line: number;
}
interface Comment {
  readonly doc?: string;
  readonly tags?: readonly {
    readonly kind: string;
    readonly tsType?: { readonly repr: string };
    readonly doc?: string;
  }[];
}
interface Documented {
  readonly name: string;
  readonly location: Place;
  readonly jsDoc?: Comment;
  readonly accessibility?: string;
}
interface Declaration extends Documented {
  readonly kind: string;
  readonly def?: {
    readonly methods?: readonly Documented[];
    readonly properties?: readonly Documented[];
    readonly constructors?: readonly Documented[];
  };
}
interface Symbol {
  readonly name: string;
  readonly declarations: readonly Omit<Declaration, "name">[];
}

/** A door's whole page, from what `deno doc --json` printed of it. */
export function referencePage(door: string, json: string): string {
  const { nodes } = JSON.parse(json) as { nodes: Record<string, { symbols: Symbol[] }> };
  const modules = Object.values(nodes);
  const symbols = modules.flatMap((node) => node.symbols);
  const all = symbols.flatMap(({ name, declarations }) => declarations.slice(0, 1).map((one) => ({ ...one, name })));
  const rank = (name: string) => FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length;
  all.sort((a, b) => rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1));
  const parts = all.map((one) => one.kind === "class" ? classPart(one) : messagesPart(one) ?? valuePart(one));
  return `# ${door}

Everything \`import { … } from "${door}"\` gives. Written by \`scripts/gen_reference.ts\` from the doc comments.

${links(all.map(({ name }) => name)).join(" · ")}

${parts.join("").trimEnd()}
`;
}

/** To the headings of these names, as GitHub calls them: names that differ only in case are counted. */
function links(names: readonly string[]): string[] {
  const used = new Map<string, number>();
  return names.map((name) => {
    const anchor = name.toLowerCase();
    const count = used.get(anchor) ?? 0;
    used.set(anchor, count + 1);
    return `[${name}](#${anchor}${count > 0 ? `-${count}` : ""})`;
  });
}

function valuePart(one: Declaration): string {
  return titled(one) + code(declaration(one));
}

/** What is exported as one name for a whole module: the generated messages. */
function messagesPart(one: Declaration): string | undefined {
  const module = /^export \* as \w+ from "(.*)";$/.exec(linesFrom(one.location)[0] ?? "")?.[1];
  if (module === undefined) return undefined;
  const text = readFileSync(new URL(module, one.location.filename), "utf8");
  const names = [...text.matchAll(/^export interface (\w+)/gm)].map(([, name]) => `\`${name}\``);
  return `${
    titled(one)
  }Bodies as in [proto](../../proto), each a type and a value for \`encodeBody\` and \`decodeBody\`:
${names.join(", ")}.\n\n`;
}

function classPart(one: Declaration): string {
  const { constructors = [], properties = [], methods = [] } = one.def ?? {};
  const members = [...constructors, ...properties, ...methods].filter((member) => member.accessibility !== "private");
  return titled(one) + members.map((member) => {
    return code(signature(member.location)) + said(member);
  }).join("");
}

function titled(one: Documented): string {
  return `## ${one.name}\n\n${said(one)}`;
}

/** The doc comment, and what it says is thrown. */
function said({ jsDoc = {} }: Documented): string {
  const thrown = (jsDoc.tags ?? []).filter(({ kind }) => kind === "throws");
  const lines = thrown.map(({ tsType, doc }) => `Throws ${tsType?.repr ?? ""}${doc ? ` ${doc}` : ""}`);
  return [jsDoc.doc, ...lines].filter((text) => text).map((text) => `${text}\n\n`).join("");
}

function code(text: string): string {
  return `\`\`\`ts\n${text}\n\`\`\`\n\n`;
}

/** The lines of a declaration as they stand in its file, with the comments inside; without the bodies of functions. */
function declaration({ kind, location }: Declaration): string {
  if (kind === "function") return signature(location);
  const lines = linesFrom(location);
  const end = lines.findIndex((line, at) =>
    /^[}\]]/.test(line) || (at === 0 ? /;$/ : /^\s.*;$/).test(line) && !opens(lines, at)
  );
  const text = lines.slice(0, end + 1).join("\n");
  return kind === "variable" && /=> |\) \{/.test(text) ? signature(location) : text;
}

/** Is a brace still open after that line? */
function opens(lines: readonly string[], at: number): boolean {
  const text = lines.slice(0, at + 1).join("\n");
  return text.split("{").length > text.split("}").length;
}

/** What a constant or a property is set to. */
const VALUE = /^((?:export const|override|readonly|static)[^(=]*) =.*$/s;

/** From the first line to the one that opens the body, or ends the member. */
function signature(location: Place): string {
  const lines = linesFrom(location);
  const end = lines.findIndex((line) => /[{;]$/.test(line));
  const indent = /^ */.exec(lines[0] ?? "")?.[0].length ?? 0;
  return lines.slice(0, end + 1).map((line) => line.slice(indent)).join("\n").replace(VALUE, "$1").replace(
    / \{$|;$/,
    "",
  );
}

function linesFrom({ filename, line }: Place): string[] {
  return readFileSync(fileURLToPath(filename), "utf8").split("\n").slice(line);
}

interface Page {
  readonly path: string;
  readonly text: string;
}

/** Every door's page as it should be. */
async function fresh(root: string): Promise<Page[]> {
  const { name, exports } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  return await Promise.all(
    Object.entries<string>(exports).map(async ([door, module]) => {
      const [command = "deno", ...args] = runtimeCommand("deno");
      const options = { cwd: root, env: { ...process.env, NO_COLOR: "1" }, maxBuffer: MOST_OUTPUT };
      const { stdout } = await promisify(execFile)(command, [...args, "doc", "--json", module], options);
      const path = `src/docs/reference${door.slice(1).replace("/", "_")}.md`;
      return { path, text: referencePage(`${name}${door.slice(1)}`, stdout) };
    }),
  );
}

async function check(root: string): Promise<{ problems: string[] }> {
  const problems: string[] = [];
  for (const { path, text } of await fresh(root)) {
    const before = await readFile(join(root, path), "utf8").catch(() => ""); // then it is out of date
    if (before !== text) problems.push(`${path}: out of date; gen_reference.ts --update`);
  }
  return { problems };
}

async function update(root: string): Promise<void> {
  for (const { path, text } of await fresh(root)) await writeFile(join(root, path), text);
}

if (import.meta.main) await checkMain(USAGE, check, update);
