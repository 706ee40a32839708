// bun|deno run_server.mjs: loads everything that petrel/server gives.
import { parts } from "./server.ts";

console.log(parts.map((part) => part.name).join(" "));
