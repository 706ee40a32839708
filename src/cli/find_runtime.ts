import { delimiter, dirname, join } from "node:path";

/** How to start the runtime that was found. */
export interface FoundRuntime {
  readonly program: string;
  /** Before the path of the script. */
  readonly args: readonly string[];
}

export interface RuntimePlaces {
  /** Folders whose `node_modules/.bin` is looked into, and that of every folder above. */
  readonly from: readonly string[];
  /** The value of PATH. */
  readonly path: string;
  /** Behind a program's name: `.exe` on Windows. */
  readonly suffix: string;
}

const RUNTIMES = [{ name: "bun", args: [] }, { name: "deno", args: ["run", "-A"] }] as const;

/** Bun before Deno; what the project installed before what is on PATH. Undefined: neither is there. */
export function findRuntime(places: RuntimePlaces, exists: (path: string) => boolean): FoundRuntime | undefined {
  const folders = [
    ...places.from.flatMap(upwards).map((folder) => join(folder, "node_modules", ".bin")),
    ...places.path.split(delimiter).filter((folder) => folder !== ""),
  ];
  for (const { name, args } of RUNTIMES) {
    const program = folders.map((folder) => join(folder, name + places.suffix)).find(exists);
    if (program !== undefined) return { program, args };
  }
  return undefined;
}

/** The folder and every one above it. */
function upwards(folder: string): string[] {
  const above = dirname(folder);
  return above === folder ? [folder] : [folder, ...upwards(above)];
}
