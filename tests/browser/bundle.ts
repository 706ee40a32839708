import process from "node:process";
import { RUNTIME, start } from "../support/processes.ts";

/** A script and all it imports as one file for browsers, made by the bundler of the runtime these tests run on. */
export async function bundle(script: string): Promise<string> {
  const args = RUNTIME === "deno"
    ? ["bundle", "--quiet", "--platform", "browser", script]
    : ["build", "--target", "browser", "--conditions", "browser", script];
  await using child = await start(process.execPath, args);
  const { code } = await child.exited;
  if (code !== 0) throw new Error(`Cannot bundle ${script}: exit code ${code}\n${child.stderr}`);
  return child.stdout;
}
