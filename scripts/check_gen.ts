/** Checks that src/protocol/gen/ is what proto/ says. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkMain } from "./check_main.ts";
import { generate } from "./gen_proto.ts";

const USAGE = `Usage: check_gen.ts [--root <folder>] [--help]
Compares src/protocol/gen/ with what scripts/gen_proto.ts would write.`;

export async function checkGen(root: string): Promise<string[]> {
  const problems: string[] = [];
  for (const [name, text] of generate()) {
    const path = `src/protocol/gen/${name}`;
    const found = await readFile(join(root, path), "utf8").catch(() => undefined); // not written yet
    if (found !== text) problems.push(`${path}: not what proto/ says; run scripts/gen_proto.ts`);
  }
  return problems;
}

await checkMain(USAGE, async (root) => ({ problems: await checkGen(root) }));
