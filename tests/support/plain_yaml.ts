/** What a plain YAML file says. */
export type Plain = string | readonly unknown[] | { readonly [key: string]: Plain };

/**
 * Reads the part of YAML that our own files are written in: maps and lists by indentation, one-line texts, lists in
 * brackets as JSON, comments on lines of their own. @throws for anything else.
 */
export function readYaml(text: string): Plain {
  const lines = text.split("\n").filter((line) => !/^\s*(#|$)/.test(line)).map((line) => {
    const indent = line.length - line.trimStart().length;
    return { indent, text: line.trim() };
  });
  let at = 0;
  const block = (indent: number): Plain => lines[at]!.text.startsWith("- ") ? list(indent) : map(indent);
  const list = (indent: number): Plain => {
    const items: string[] = [];
    for (; lines[at]?.indent === indent && lines[at]!.text.startsWith("- "); at++) {
      items.push(scalar(lines[at]!.text.slice(2)));
    }
    return items;
  };
  const map = (indent: number): Plain => {
    const found: Record<string, Plain> = {};
    while (lines[at]?.indent === indent) {
      const line = lines[at++]!.text;
      const [, key, value] = /^([\w.-]+):(?: (.+))?$/.exec(line) ?? [];
      if (key === undefined || key in found) throw new Error(`Cannot read YAML: ${line}`);
      if (value === undefined) {
        const next = lines[at];
        found[key] = next && next.indent > indent ? block(next.indent) : "";
      } else found[key] = value.startsWith("[") ? JSON.parse(value) as unknown[] : scalar(value);
    }
    return found;
  };
  const all = block(0);
  if (at < lines.length) throw new Error(`Cannot read YAML: ${lines[at]!.text}`);
  return all;
}

function scalar(text: string): string {
  return /^".*"$/.test(text) ? JSON.parse(text) as string : text;
}
