/** How much the SDK adds to a web page: bundled for browsers, minified, gzipped. Over the limit is a problem. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { tempDir } from "../tests/support/temp.ts";
import { checkMain, type Findings } from "./check_main.ts";
import { runtimeCommand } from "./runtimes.ts";

const USAGE = `Usage: check_size.ts [--root <folder>] [--help]
Prints the size of the client SDK in a page, and exits with 1 when it is over the limit.`;

/** Bytes on the wire for everything that "petrel" exports. */
const LIMIT = 25_000;

/** Minified and gzipped size in bytes of what `program` needs of src/sdk/mod.ts. */
async function bundled(root: string, program: (sdk: string) => string): Promise<{ min: number; gzip: number }> {
  await using dir = await tempDir();
  const [entry, bundle] = [dir.in("entry.ts"), dir.in("bundle.js")];
  writeFileSync(entry, program(JSON.stringify(resolve(root, "src/sdk/mod.ts"))));
  const [bun, ...args] = [
    ...runtimeCommand("bun"),
    "build",
    entry,
    "--minify",
    "--target=browser",
    "--outfile",
    bundle,
  ];
  const { status, stderr, error } = spawnSync(bun!, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`Cannot bundle: ${stderr || error?.message}`);
  const bytes = readFileSync(bundle);
  return { min: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length };
}

async function checkSize(root: string): Promise<Findings> {
  const all = await bundled(root, (sdk) => `export * from ${sdk};`);
  const one = await bundled(root, (sdk) => `import { PetrelClient } from ${sdk}; globalThis.client = PetrelClient;`);
  const notes = [
    `SDK ${all.gzip} B min+gzip (${all.min} B min), PetrelClient alone ${one.gzip} B; limit ${LIMIT} B`,
  ];
  return { notes, problems: all.gzip > LIMIT ? [`SDK is ${all.gzip - LIMIT} B over its limit`] : [] };
}

await checkMain(USAGE, checkSize);
