import { ImError } from "../../base/errors.ts";
import type { Bundle } from "../../comm/ports.ts";

/**
 * See ports.ts `Bundle`. A process of its own, in the entry's folder: `Deno.bundle` finds packages only when the server
 * was started inside the repository.
 */
export const bundle: Bundle = async (entry) => {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform", "browser", "--minify", entry],
    cwd: entry.slice(0, entry.lastIndexOf("/")),
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  if (success && stdout.length > 0) return text.decode(stdout);
  const [why] = text.decode(stderr).trim().split(/\n+Stack backtrace/);
  throw new ImError("CONFIG", `Cannot bundle ${entry}: ${why || "no output"}`);
};
