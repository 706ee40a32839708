import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { secretFile } from "../secret.ts";
import type { Child } from "./child.ts";
import type { Slot } from "./slot.ts";

/** `cluster.json` of a data folder: what runs, for tools. */
export interface ClusterState {
  /** `petrel cluster` itself. */
  readonly pid: number;
  readonly processes: readonly {
    readonly role: string;
    /** Its place: `ws1`. */
    readonly name: string;
    /** Its service id, another one for each run. */
    readonly id: string;
    readonly pid: number;
    /** By kind: `ws`, `tcp`, `http`, `link`, `royal`, `upstash`, `redis`, `monitor`. */
    readonly urls: Readonly<Record<string, string>>;
    /** ISO 8601. */
    readonly since: string;
    /** How it was started: words for the `petrel` command, and what was added to the environment, without secrets. */
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  }[];
  /** For clients. */
  readonly clients: { readonly ws: readonly string[]; readonly tcp: readonly string[] };
  readonly tokenSecretFile: string;
  /** Has the secrets of all processes, as environment variables. */
  readonly environmentFile: string;
}

const SECRET = /SECRET|TOKEN|KEY|DATABASE/;

export function stateFile(data: string): string {
  return join(data, "cluster.json");
}

/** The environment of all processes that holds secrets; only the owner can read it. */
export function environmentFile(data: string): string {
  return join(data, "cluster.env");
}

export function writeState(data: string, slots: readonly Slot[]): void {
  const processes = slots.flatMap(({ place: { role, name }, children }) =>
    children.map((child) => ({ role, name, ...factsOf(child) }))
  );
  const urls = (kind: string): string[] => [...new Set(processes.flatMap(({ urls }) => urls[kind] ?? []))];
  const state: ClusterState = {
    pid: process.pid,
    processes,
    clients: { ws: urls("ws"), tcp: urls("tcp") },
    tokenSecretFile: secretFile(data),
    environmentFile: environmentFile(data),
  };
  writeWhole(stateFile(data), `${JSON.stringify(state, undefined, 2)}\n`);
  // What ends all processes when we are gone reads this one.
  writeWhole(pidFile(data), `${processes.map(({ pid }) => pid).join(" ")}\n`);
}

/** Of this process alone: another cluster may have begun in the folder when somebody looks. */
export function pidFile(data: string): string {
  return join(data, `cluster.${process.pid}.pids`);
}

/** Says what all processes are told, for one that is started by hand beside them. */
export function writeEnvironment(data: string, env: Readonly<Record<string, string>>): void {
  const lines = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  writeWhole(environmentFile(data), `${lines.join("\n")}\n`);
}

/** Takes away what this process wrote. */
export function removeState(data: string): void {
  rmSync(pidFile(data), { force: true });
  if (!isOurs(data)) return;
  for (const file of [stateFile(data), environmentFile(data)]) rmSync(file, { force: true });
}

/** Two may have begun in one folder at the same time: the other one goes on. */
function isOurs(data: string): boolean {
  try {
    return (JSON.parse(readFileSync(stateFile(data), "utf8")) as ClusterState).pid === process.pid;
  } catch {
    return true; // nobody's
  }
}

function factsOf(child: Child) {
  const { args, env, urls } = child.run;
  const shown = Object.fromEntries(Object.entries(env).filter(([name]) => !SECRET.test(name)));
  return { id: child.id, pid: child.pid, urls, since: child.since.toISOString(), args, env: shown };
}

/** Readers see the old or the new text, nothing between. */
function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
