/** `from "./a"`, `import("./a")`, `import "./a"` and `new URL("./a", …)`: the places where a module names another. */
const RELATIVE = /(?<=\b(?:from|import|import\(|new URL\()\s*)(["'])(\.{1,2}\/[^"'\n]*)\1/g;

/** The same text with every relative `.ts` specifier as `.js`. TypeScript leaves those in declarations and URLs. */
export function toJsSpecifiers(text: string): string {
  return text.replace(RELATIVE, (_, quote: string, path: string) => quote + path.replace(/\.ts$/, ".js") + quote);
}

/** The relative specifiers of a module, each once. */
export function relativeSpecifiers(text: string): string[] {
  return [...new Set([...text.matchAll(RELATIVE)].map((match) => match[2]!))];
}
