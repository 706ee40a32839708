/** Run by process_guard.test.ts: starts a process with one of its own, guards it, and waits to be killed. */
import { spawn } from "node:child_process";
import process from "node:process";
import { type GuardOptions, guardProcess } from "./process_guard.ts";

const options: GuardOptions = JSON.parse(process.argv[2]!);
const child = spawn("sh", ["-c", "trap 'echo asked; exit' TERM; sleep 60 > /dev/null 2>&1 & echo $$ $!; wait"], {
  stdio: ["ignore", "inherit", "ignore"],
  detached: true,
});
guardProcess(child.pid!, options);
console.log("guarded");
setInterval(() => {}, 1_000);
