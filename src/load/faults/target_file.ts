import { spawn } from "node:child_process";
import fs from "node:fs";
import { UsageError } from "../options.ts";
import type { FaultTarget } from "./fault_target.ts";

/** Commands of a target in a file; each is given to `sh -c`. */
const COMMANDS = ["kill", "start", "pause", "resume", "flush", "restart", "cut", "heal"] as const;
type Command = (typeof COMMANDS)[number];
/** What must come together. */
const PAIRS: readonly (readonly [Command, Command])[] = [["kill", "start"], ["pause", "resume"], ["cut", "heal"]];
const COMMAND_WAIT_MS = 60_000;

/**
 * The targets of a file: `{ "targets": [{ "name": "logic01", "role": "logic", "kill": "ssh a systemctl kill -s KILL petrel-logic",
 * "start": "…", … }] }`. @throws {UsageError} saying what is wrong with it.
 */
export function readTargets(file: string): FaultTarget[] {
  let content: unknown;
  try {
    content = JSON.parse(fs.readFileSync(file, "utf8"));
  } catch (cause) {
    throw new UsageError(`Cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
  return parseTargets(content, file);
}

/** As `readTargets`, of what a file says. */
export function parseTargets(content: unknown, file: string): FaultTarget[] {
  const list = isRecord(content) ? content["targets"] : undefined;
  if (!Array.isArray(list) || list.length === 0) {
    throw new UsageError(`Cannot use ${file}: expected {"targets": [{"name": …, "role": …, "kill": …, "start": …}]}`);
  }
  const targets = list.map((one, i) => targetOf(one, `${file}, target ${i + 1}`));
  const names = targets.map(({ name }) => name);
  const again = names.find((name, i) => names.indexOf(name) < i);
  if (again !== undefined) throw new UsageError(`Cannot use ${file}: two targets are called ${again}`);
  return targets;
}

function targetOf(value: unknown, where: string): FaultTarget {
  if (!isRecord(value)) throw new UsageError(`Cannot use ${where}: expected an object`);
  for (const [key, word] of Object.entries(value)) {
    if (key !== "name" && key !== "role" && !isCommand(key)) {
      throw new UsageError(`Cannot use ${where}: no such key ${key}; there are name, role, ${COMMANDS.join(", ")}`);
    }
    if (typeof word !== "string" || word === "") throw new UsageError(`Cannot use ${where}: ${key} must be a text`);
  }
  const { name, role } = value;
  if (typeof name !== "string" || typeof role !== "string") {
    throw new UsageError(`Cannot use ${where}: it needs a name and a role`);
  }
  for (const [one, other] of PAIRS) {
    for (const [has, lacks] of [[one, other], [other, one]] as const) {
      if (has in value && !(lacks in value)) throw new UsageError(`Cannot use ${where}: ${has} needs ${lacks}`);
    }
  }
  const commands: Partial<Record<Command, () => Promise<void>>> = {};
  for (const key of COMMANDS) {
    const line = value[key];
    if (typeof line === "string") commands[key] = () => run(line, `${name}, ${key}`);
  }
  return { name, role, ...commands };
}

function isCommand(key: string): key is Command {
  return COMMANDS.some((one) => one === key);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Resolves when the command ended well. @throws {Error} with what it printed. */
function run(line: string, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("sh", ["-c", line], { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const keep = (bytes: Uint8Array) => output = (output + new TextDecoder().decode(bytes)).slice(-2_000);
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    const fail = (why: string) => reject(new Error(`Cannot do ${what}: ${why}: ${line}\n${output}`.trim()));
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail(`no end in ${COMMAND_WAIT_MS / 1000} s`);
    }, COMMAND_WAIT_MS);
    child.on("error", (error) => fail(error.message));
    // "exit", not "close": what the command starts in the background may keep its output open
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve();
      else fail(`ended with ${signal ?? code}`);
    });
  });
}
