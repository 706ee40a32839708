/** What a file may use besides other files of ours. */
export type Power = "runtime" | "time" | "chance" | "console";

/** A part of the tree with one rule. */
export interface Area {
  readonly name: string;
  /** Matched against the path from the root; the first area that matches owns the file. */
  readonly files: RegExp;
  /** Areas it imports, and through them all that those may import. "*": every area. */
  readonly may: readonly string[] | "*";
  /** Third-party packages. "*": every one in package.json. */
  readonly packages?: readonly string[] | "*";
  readonly powers?: readonly Power[];
  /** Folders directly inside do not import each other. */
  readonly separate?: boolean;
}

const ALL: readonly Power[] = ["runtime", "time", "chance", "console"];

/** src/ARCHITECTURE.md draws this table. What is not in `may` is refused; nobody has `cli` or `tests` there. */
export const AREAS: readonly Area[] = [
  { name: "tests", files: /^tests\/|\.(test|fixture)\.ts$/, may: "*", packages: "*", powers: ALL },
  { name: "scripts", files: /^scripts\//, may: "*", packages: "*", powers: ALL },

  { name: "the clock", files: /^src\/base\/(fake_)?clock\.ts$/, may: [], powers: ["time"] },
  { name: "base", files: /^src\/base\//, may: ["the clock"] },
  { name: "id", files: /^src\/id\//, may: ["base"] },
  { name: "protocol", files: /^src\/protocol\//, may: ["base"], packages: ["protobufjs"] },
  { name: "comm", files: /^src\/comm\//, may: ["protocol"] },
  { name: "command", files: /^src\/command\//, may: ["protocol"] },

  // How every edge that uses Upstash asks it.
  {
    name: "upstash",
    files: /^src\/upstash\//,
    may: ["base"],
    packages: ["@upstash/redis", "@msgpack/msgpack"],
    powers: ["runtime", "chance"],
  },
  // Files named after a technology are edges: only cli and tests import them.
  {
    name: "store edges",
    files: /^src\/(naming|session|message)\/(memory|static|redis|upstash|consul|sqlite|postgres|royal)/,
    may: ["stores", "id", "upstash"],
    packages: "*",
    powers: ["runtime", "chance"],
  },
  { name: "stores", files: /^src\/(naming|session|message)\//, may: ["protocol", "id"] },
  { name: "container", files: /^src\/container\//, may: ["comm", "stores", "id"] },
  {
    name: "services",
    files: /^src\/services\//,
    may: ["container", "command", "stores", "comm", "id"],
    packages: ["hono", "zod", "@hono/zod-openapi"],
    separate: true,
  },
  {
    name: "runtime",
    files: /^src\/runtime\//,
    may: ["comm"],
    packages: ["@hono/node-server", "ws"],
    powers: ["runtime"],
  },
  {
    name: "the SDK's browser",
    files: /^src\/sdk\/(socket|random)\.ts$/,
    may: ["comm"],
    powers: ["runtime", "chance"],
  },
  { name: "sdk", files: /^src\/sdk\//, may: ["comm", "the SDK's browser"] },
  { name: "web", files: /^src\/web\//, may: ["sdk"], powers: ALL },
  { name: "load", files: /^src\/load\//, may: ["sdk"], powers: ALL },
  { name: "the manifest", files: /^package\.json$/, may: [] },
  { name: "cli", files: /^src\/(cli\/|edge\.ts$)/, may: "*", packages: "*", powers: ["runtime", "chance", "console"] },
];

/** Areas that no other area imports, whatever its `may` says; `reach` leaves them out. */
const PRIVATE = new Set(["cli", "tests", "scripts"]);

/** The names of all areas that files of this area may import, itself included. */
export function reach(area: Area): ReadonlySet<string> {
  const found = new Set<string>([area.name]);
  if (area.may === "*") {
    for (const other of AREAS) if (!PRIVATE.has(other.name) || area.name !== "cli") found.add(other.name);
    return found;
  }
  const add = (name: string) => {
    if (found.has(name)) return;
    found.add(name);
    const may = AREAS.find((other) => other.name === name)?.may;
    if (may === undefined || may === "*") throw new Error(`Cannot follow ${name}: no such row`);
    may.forEach(add);
  };
  area.may.forEach(add);
  return found;
}

/** Words that need a power, looked for in code that is neither comment nor string. */
export const POWER_WORDS: Readonly<Record<Power, RegExp>> = {
  runtime: word("Bun|Deno|process|Buffer|fetch|WebSocket|Worker|XMLHttpRequest|localStorage"),
  time: word("Date\\.now|new Date\\(\\)|performance\\.now|setTimeout|setInterval|setImmediate"),
  chance: word("Math\\.random|crypto\\.(?:getRandomValues|randomUUID)"),
  console: word("console"),
};

/** The word by itself: not a member of something, not a property's or parameter's name. */
function word(alternatives: string): RegExp {
  return new RegExp(`(?<![\\w$.#])(?:globalThis\\.)?(${alternatives})(?![\\w$])(?!\\s*\\??:)`, "g");
}
