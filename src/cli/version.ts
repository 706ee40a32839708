import { name, version as runtimeVersion } from "#runtime";
import manifest from "../../package.json" with { type: "json" };

/** `petrel version`. */
export async function versionMain(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    console.log("petrel version: prints the version and the runtime's");
  } else console.log(`petrel ${manifest.version} (${name} ${runtimeVersion})`);
  return 0;
}
