/** What the package needs of the repository's own package.json. */
export interface SourceManifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly type: string;
  readonly engines: Readonly<Record<string, string>>;
  /** Door to TypeScript file. */
  readonly exports: Readonly<Record<string, string>>;
  /** `#name` to condition to TypeScript file. */
  readonly imports: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Module to the file that bundlers for pages take instead. */
  readonly browser: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

/** Doors that open on Bun and Deno only; elsewhere their users get `refusal` with its plain error. */
export const SERVER_DOORS: ReadonlySet<string> = new Set(["./server"]);

/** The SDK as one module, for pages that are served as they are. */
export const SDK_FILE = "petrel.min.js";

/** Programs, and modules that change something when they are loaded; bundlers leave out any other that nobody uses. */
const SIDE_EFFECTS: readonly string[] = [
  "./src/cli/*.js",
  "./src/load/main.js",
  "./src/message/sqlite/worker.js",
  "./src/refusals/*.js",
  "./src/runtime/*/mod.js",
];

/** Where the modules for all other runtimes are, from the package's root. */
export function refusalPath(door: string): string {
  return `./src/refusals/${door.slice(2)}.js`;
}

/**
 * A module that ends every attempt to load it with one sentence. It has the door's names, because a name that is not
 * there is a syntax error, which would be told first.
 */
export function refusal(packageName: string, door: string, names: readonly string[]): string {
  const where = `${packageName}${door.slice(1)}`;
  return `throw new Error("Cannot load ${where}: it runs on Bun and on Deno only");\nexport let ${names.join(", ")};\n`;
}

/** The package.json of the built package: every path leads to plain JavaScript with its declarations beside it. */
export function packageManifest(source: SourceManifest): Record<string, unknown> {
  const { name, version, description, license, type, dependencies } = source;
  return {
    name,
    version,
    description,
    license,
    type,
    engines: mapValues(source.engines, (wanted) => /^\d/.test(wanted) ? `>=${wanted}` : wanted),
    bin: { [name]: "src/cli/launch.js" },
    files: ["src", "proto", SDK_FILE],
    sideEffects: SIDE_EFFECTS,
    exports: {
      ...Object.fromEntries(Object.entries(source.exports).map(([door, path]) => [door, conditions(door, path)])),
      [`./${SDK_FILE}`]: { types: source.exports["."]?.replace(/\.ts$/, ".d.ts"), default: `./${SDK_FILE}` },
      "./package.json": "./package.json",
    },
    imports: mapValues(source.imports, (paths) => mapValues(paths, toJs)),
    browser: mapValues(source.browser, toJs),
    dependencies,
  };
}

function conditions(door: string, path: string): Record<string, string> {
  const types = path.replace(/\.ts$/, ".d.ts");
  if (!SERVER_DOORS.has(door)) return { types, default: toJs(path) };
  return { types, bun: toJs(path), deno: toJs(path), default: refusalPath(door) };
}

function toJs(path: string): string {
  return path.replace(/\.ts$/, ".js");
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
