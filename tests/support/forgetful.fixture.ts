/** Run by processes.test.ts: starts a child, never stops it, and waits to be killed. */
import { start } from "./processes.ts";

const child = await start("sleep", ["60"]);
console.log(`forgot ${child.pid}`);
await child.exited;
