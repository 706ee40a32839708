import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type TempDir, tempDir } from "../support/temp.ts";

/** A temporary project with these files (path from its root: text) and a package.json that names hono and zod. */
export async function plantedTree(files: Readonly<Record<string, string>>): Promise<TempDir> {
  const dir = await tempDir();
  const manifest = JSON.stringify({ dependencies: { hono: "1.0.0", zod: "1.0.0", pino: "1.0.0" } });
  for (const [path, text] of Object.entries({ "package.json": manifest, ...files })) {
    await mkdir(dirname(dir.in(path)), { recursive: true });
    await writeFile(dir.in(path), text);
  }
  return dir;
}
