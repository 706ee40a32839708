#!/usr/bin/env bun
// The `petrel` command, on Bun and on Deno. The only place that reads process.argv.
import process from "node:process";
import { runCommand } from "./command.ts";

process.exit(await runCommand(process.argv.slice(2)));
