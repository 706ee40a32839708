import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

export interface SourceFile {
  /** From the root, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** The TypeScript we write: `src`, `tests` and `scripts` under the root, in order of path. */
export async function sourceFiles(root: string): Promise<SourceFile[]> {
  const paths: string[] = [];
  for (const folder of ["src", "tests", "scripts"]) await walk(root, folder, paths);
  paths.sort();
  return await Promise.all(paths.map(async (path) => ({ path, text: await readFile(join(root, path), "utf8") })));
}

async function walk(root: string, folder: string, paths: string[]): Promise<void> {
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(() => []); // a root may lack one
  for (const entry of entries) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory() && entry.name !== "node_modules") await walk(root, path, paths);
    else if (/\.tsx?$/.test(entry.name)) paths.push(path);
  }
}
