/** What a person needs right after the start. */
export interface BannerFacts {
  readonly version: string;
  readonly runtime: string;
  readonly http: string;
  readonly tcp: string;
  readonly ws: string;
  /** Of the HTTP socket, as a word for a shell; undefined: HTTP has a port. */
  readonly unixPath?: string | undefined;
  /** Where messages are kept. */
  readonly messages: string;
  readonly sync: "full" | "normal";
  readonly tokens: readonly { readonly account: string; readonly token: string }[];
  /** Does the chat page give tokens to everybody? */
  readonly demo: boolean;
  /** How to call the petrel command here, e.g. `bun run petrel`. */
  readonly command: string;
  readonly startMs: number;
  /** Chat commands need to say where when the server is not on its default ports. */
  readonly wsFlag: string;
  readonly tcpFlag: string;
  readonly dataFlag: string;
}

/** The start-up banner: URLs to click, tokens to use, commands to paste. */
export function banner(facts: BannerFacts, colors: boolean): string {
  const bold = (text: string): string => colors ? `\x1b[1m${text}\x1b[22m` : text;
  const dim = (text: string): string => colors ? `\x1b[2m${text}\x1b[22m` : text;
  const chat = (as: string, to: string, url: string): string =>
    `${facts.command} chat --as ${as} --to ${to}${url}${facts.dataFlag}`;
  const [ann, bob] = facts.tokens;
  return [
    "",
    `  ${bold("Petrel")} ${facts.version} ${dim(`on ${facts.runtime}, ready in ${facts.startMs} ms`)}`,
    "",
    ...pages(facts).map((line) => bold(line)),
    ...(facts.unixPath === undefined
      ? ["", `  Health      ${facts.http}/health   ${facts.http}/ready   ${facts.http}/metrics`]
      : [`  Health      curl --unix-socket ${facts.unixPath} http://localhost/ready`]),
    `  WebSocket   ${facts.ws}`,
    `  TCP         ${facts.tcp}`,
    `  Messages    ${facts.messages}`,
    facts.sync === "full"
      ? `  Promise     Success means committed and synced to disk`
      : `  Promise     ${bold("Success means committed, not synced")}: a power cut may take the last messages`,
    "",
    "  Chat in terminals: paste these into two more",
    "",
    `      ${bold(chat("ann", "bob", facts.wsFlag))}`,
    `      ${bold(chat("bob", "ann", facts.tcpFlag))}`,
    "",
    `  Tokens for your own client ${dim("(app kim, 30 days)")}`,
    "",
    `      ${ann!.account}  ${dim(ann!.token)}`,
    `      ${bob!.account}  ${dim(bob!.token)}`,
    "",
    `  ${dim("Ctrl-C stops.")}`,
    "",
  ].join("\n");
}

/** Links to the chat page, first of all. */
function pages({ demo, http, unixPath }: BannerFacts): string[] {
  if (unixPath !== undefined) return []; // browsers come through a reverse proxy, whose address is not known here
  if (!demo) return [`  Chat        ${http}/   (asks for a token)`];
  return [
    `  Chat        ${http}/?as=ann&to=bob`,
    `              ${http}/?as=bob&to=ann`,
  ];
}

/**
 * How a person calls `petrel` on this machine: in a project that installed the package, or in a clone of the repository;
 * through npx when the runtime itself came through it, or is installed in the project too.
 */
export function petrelCommand(runtime: "bun" | "deno", executable: string, installed: boolean): string {
  const npx = /[\\/]_npx[\\/]/.test(executable) ? "npx -y " : "";
  if (!installed) return runtime === "bun" ? `${npx}bun run petrel` : `${npx}deno task petrel`;
  if (npx === "" && /[\\/]node_modules[\\/]/.test(executable)) return "npx petrel";
  if (runtime === "deno") return `${npx}deno run -A npm:petrel`;
  return npx === "" ? "bunx petrel" : `${npx}bun x petrel`;
}
