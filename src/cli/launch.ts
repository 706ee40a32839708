#!/usr/bin/env node
// The `petrel` of the npm package. Bun and Deno run main.js right here; Node looks for one of them and starts it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { findRuntime, type FoundRuntime } from "./find_runtime.ts";

if ("Bun" in globalThis || "Deno" in globalThis) await import("./main.ts");
else {
  const found = findRuntime({
    from: [process.cwd(), dirname(fileURLToPath(import.meta.url))],
    path: process.env["PATH"] ?? "",
    suffix: process.platform === "win32" ? ".exe" : "",
  }, existsSync);
  if (found) start(found);
  else {
    console.error("petrel runs on Bun or Deno: neither is in node_modules/.bin or on PATH.");
    console.error("Install one and call petrel again: npm install bun");
    process.exitCode = 1;
  }
}

/** Ends as the child ends; a signal is passed on, and the child decides what it means. */
function start({ program, args }: FoundRuntime): void {
  const main = fileURLToPath(new URL("./main.ts", import.meta.url));
  const child = spawn(program, [...args, main, ...process.argv.slice(2)], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`Cannot start ${program}: ${error.message}`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
