import manifest from "../../../package.json" with { type: "json" };

/** What a person needs right after the start of a cluster. */
export interface ClusterFacts {
  readonly runtime: string;
  readonly startMs: number;
  readonly processes: readonly {
    readonly name: string;
    readonly role: string;
    readonly urls: Readonly<Record<string, string>>;
  }[];
  readonly tokens: readonly { readonly account: string; readonly token: string }[];
  /** How to call `petrel` here. */
  readonly command: string;
  readonly dataFlag: string;
  readonly stateFile: string;
  readonly apiKeyFile: string;
}

/** URLs to click, commands to paste: two people on different gateways. */
export function clusterBanner(facts: ClusterFacts, colors: boolean): string {
  const bold = (text: string): string => colors ? `\x1b[1m${text}\x1b[22m` : text;
  const dim = (text: string): string => colors ? `\x1b[2m${text}\x1b[22m` : text;
  const all = (kind: string): string[] => facts.processes.flatMap(({ urls }) => urls[kind] ?? []);
  const url = (role: string, kind: string): string =>
    facts.processes.find((one) => one.role === role)?.urls[kind] ?? "";
  const gateways = [...all("ws"), ...all("tcp")];
  const ann = gateways[0]!;
  const bob = all("tcp")[0] ?? gateways.at(-1)!;
  const pages = all("ws").map((one) => one.replace(/^ws/, "http"));
  const chat = (as: string, to: string, at: string): string =>
    bold(`${facts.command} chat --as ${as} --to ${to} --url ${at}${facts.dataFlag}`);
  return [
    "",
    `  ${bold("Petrel")} ${manifest.version} ${
      dim(`on ${facts.runtime}: ${facts.processes.length} processes, ready in ${facts.startMs} ms`)
    }`,
    "",
    ...(pages.length > 0
      ? [
        `  Chat        ${bold(`${pages[0]}/?as=ann&to=bob`)}`,
        `              ${bold(`${pages.at(-1)}/?as=bob&to=ann`)}`,
        "",
      ]
      : []),
    `  Gateways    ${gateways.join("   ")}`,
    `  Router      ${url("router", "http")}/api/lookup/<anything>`,
    `  API         ${url("api", "http")}/api/v1/   with the key in ${facts.apiKeyFile}`,
    `  Processes   ${facts.stateFile}`,
    "",
    "  Chat in terminals, on different gateways: paste these into two more",
    "",
    `      ${chat("ann", "bob", ann)}`,
    `      ${chat("bob", "ann", bob)}`,
    "",
    `  Tokens for your own client ${dim("(app kim, 30 days)")}`,
    "",
    ...facts.tokens.map(({ account, token }) => `      ${account}  ${dim(token)}`),
    "",
    `  ${dim(`Ctrl-C stops all. ${facts.command} cluster --roll${facts.dataFlag} restarts them, role by role.`)}`,
    "",
  ].join("\n");
}
