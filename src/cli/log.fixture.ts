/** Run by log.test.ts, in a process of its own: logs a thousand lines and ends at once. */
import process from "node:process";
import { openLog } from "./log.ts";

const log = openLog({ level: "info" });
for (let n = 0; n < 1000; n++) log.info("line", { n });
process.exit(3);
