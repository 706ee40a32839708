/** Upstash's REST protocol in front of a local Redis: the same as `petrel upstash`. */
import process from "node:process";
import { upstashMain } from "../src/cli/upstash.ts";

process.exit(await upstashMain(process.argv.slice(2)));
