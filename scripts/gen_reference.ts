/** Writes src/docs/reference.md: every public name of the SDK with its doc comment, in the order of a first reading. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkMain } from "./check_main.ts";
import { runtimeCommand } from "./runtimes.ts";

const DOOR = "src/sdk/mod.ts";
const PAGE = "src/docs/reference.md";

const USAGE = `Usage: gen_reference.ts [--update] [--root <folder>] [--help]
Checks that ${PAGE} is what the doc comments behind ${DOOR} say; --update writes it.`;

/** These come first; the others follow by name. */
const FIRST = ["PetrelClient", "ClientOptions", "ClientEvents", "Message", "SentMessage", "TalkOptions"];

/** What `deno doc --json` says of a name, as far as it is used here. */
interface Place {
  readonly filename: string;
  readonly line: number;
}
interface Documented {
  readonly name: string;
  readonly location: Place;
  readonly jsDoc?: { readonly doc?: string };
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

/** The whole page, from what `deno doc --json` printed. */
export function referencePage(json: string): string {
  const { nodes } = JSON.parse(json) as { nodes: Record<string, { symbols: Symbol[] }> };
  const symbols = Object.values(nodes).flatMap((node) => node.symbols);
  const all = symbols.flatMap(({ name, declarations }) => declarations.slice(0, 1).map((one) => ({ ...one, name })));
  const rank = (name: string) => FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length;
  all.sort((a, b) => rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1));
  const parts = all.map((one) => one.kind === "class" ? classPart(one) : `${titled(one)}${code(declaration(one))}`);
  return `# SDK reference

Everything \`import { … } from "petrel"\` gives. Written by \`scripts/gen_reference.ts\` from the doc comments.

${all.map(({ name }) => `[${name}](#${name.toLowerCase()})`).join(" · ")}

${parts.join("\n")}`;
}

function classPart(one: Declaration): string {
  const { constructors = [], properties = [], methods = [] } = one.def ?? {};
  const members = [...constructors, ...properties, ...methods].filter((member) => member.accessibility !== "private");
  return titled(one) + members.map((member) => {
    const doc = member.jsDoc?.doc;
    return `${code(signature(member.location))}${doc ? `${doc}\n\n` : ""}`;
  }).join("");
}

function titled({ name, jsDoc }: Documented): string {
  return `## ${name}\n\n${jsDoc?.doc ? `${jsDoc.doc}\n\n` : ""}`;
}

function code(text: string): string {
  return `\`\`\`ts\n${text}\n\`\`\`\n\n`;
}

/** The lines of a declaration as they stand in its file, with the comments inside. A function's without its body. */
function declaration({ kind, location }: Declaration): string {
  if (kind === "function") return signature(location);
  const lines = linesFrom(location);
  const end = lines.findIndex((line, at) =>
    /^[}\]]/.test(line) || (at === 0 ? /;$/ : /^\s.*;$/).test(line) && !opens(lines, at)
  );
  return lines.slice(0, end + 1).join("\n");
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

function fresh(root: string): string {
  const [command = "deno", ...args] = runtimeCommand("deno");
  const json = execFileSync(command, [...args, "doc", "--json", DOOR], {
    cwd: root,
    stdio: ["ignore", "pipe", "ignore"],
  });
  return referencePage(json.toString());
}

async function check(root: string): Promise<{ problems: string[] }> {
  const before = await readFile(join(root, PAGE), "utf8").catch(() => ""); // then it is out of date
  return { problems: before === fresh(root) ? [] : [`${PAGE}: out of date; gen_reference.ts --update`] };
}

async function update(root: string): Promise<void> {
  await writeFile(join(root, PAGE), fresh(root));
}

if (import.meta.main) await checkMain(USAGE, check, update);
