import * as runtime from "#runtime";
import manifest from "../../package.json" with { type: "json" };

/** What a person needs right after the start of one process. */
export function roleBanner(
  role: string,
  startMs: number,
  rows: readonly (readonly [string, string | undefined])[],
): string {
  const shown = rows.filter(([, text]) => text !== undefined && text !== "");
  return [
    "",
    `  Petrel ${role} ${manifest.version} on ${runtime.name} ${runtime.version}, ready in ${startMs} ms`,
    "",
    ...shown.map(([head, text]) => `  ${head.padEnd(14)}${text}`),
    "",
    "  Ctrl-C stops.",
    "",
  ].join("\n");
}

/** Where to look how a process does. */
export function healthUrls(url: string): string {
  return `${url}/health   ${url}/ready   ${url}/metrics`;
}

/** Where processes find each other, for a person. */
export function namingAt(
  { naming, upstashRedisRestUrl: url }: {
    readonly naming?: { readonly kind: string } | undefined;
    readonly upstashRedisRestUrl?: string | undefined;
  },
): string | undefined {
  const kind = naming?.kind ?? (url === undefined ? undefined : "upstash");
  return kind === "upstash" ? `Upstash Redis at ${url}` : kind;
}
