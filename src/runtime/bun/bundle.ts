import { ImError } from "../../base/errors.ts";
import type { Bundle } from "../../comm/ports.ts";

/** See ports.ts `Bundle`. */
export const bundle: Bundle = async (entry) => {
  const made = await Bun.build({ entrypoints: [entry], target: "browser", minify: true, throw: false })
    .catch((cause: unknown) => ({ success: false, outputs: [], logs: [cause] }));
  const [file] = made.outputs;
  if (made.success && file) return await file.text();
  throw new ImError("CONFIG", `Cannot bundle ${entry}: ${made.logs.map(String).join("; ")}`);
};
