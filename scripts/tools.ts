/**
 * Tools that check the package, run through npx and never named in package.json: Deno downloads everything that stands
 * there, for each of its users. Exact versions, so that a run of today and one of next year say the same.
 */
export const TOOLS = {
  typescript: "7.0.2",
  publint: "0.3.25",
  "@arethetypeswrong/cli": "0.18.5",
  /** The Node of `engines`, for programs that use the SDK; the machine's own may be older. */
  node: "22.23.3",
} as const;

/** How to call a program of such a package: `tool("typescript", "tsc", "--version")`. */
export function tool(name: keyof typeof TOOLS, program: string, ...args: readonly string[]): readonly string[] {
  return ["npx", "-y", "--loglevel=error", "-p", `${name}@${TOOLS[name]}`, program, ...args];
}
