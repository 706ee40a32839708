import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";

/** What a process has used so far. */
export interface ProcessUse {
  /** CPU time of all its threads, microseconds. On Linux other processes are known in steps of 10 ms. */
  readonly cpuUs: number;
  readonly rssBytes: number;
}

/** This process. */
export function ownUse(): ProcessUse {
  const { user, system } = process.cpuUsage();
  return { cpuUs: user + system, rssBytes: process.memoryUsage().rss };
}

/** Another process, from /proc; undefined where there is none or the process is gone. */
export function useOf(pid: number): ProcessUse | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // from field 3 on; the name may hold spaces
    const ticks = Number(fields[11]) + Number(fields[12]);
    const status = fs.readFileSync(`/proc/${pid}/status`, "latin1");
    const kib = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
    return { cpuUs: ticks * 10_000, rssBytes: kib * 1024 };
  } catch {
    return undefined; // no /proc here, or the process ended: both mean "cannot be measured"
  }
}

/** Which runtime, of which version, another process runs on, e.g. `bun 1.4.5`; undefined when that cannot be told. */
export function runtimeOf(pid: number): string | undefined {
  try {
    const exe = fs.readlinkSync(`/proc/${pid}/exe`);
    const name = /^(bun|deno|node)\b/.exec(path.basename(exe))?.[1];
    if (name === undefined) return undefined;
    const said = execFileSync(exe, ["--version"], { encoding: "utf8", timeout: 5000 });
    return `${name} ${/\d+\.\d+\.\d+\S*/.exec(said)?.[0] ?? ""}`.trim();
  } catch {
    return undefined; // no /proc here, another user's process, or it ended
  }
}

/** The process that listens on a local TCP port, found through /proc; undefined when that cannot be told. */
export function pidOfPort(port: number): number | undefined {
  const inodes = new Set<string>();
  const hex = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (const file of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of readLines(file)) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(hex) && fields[3] === "0A") inodes.add(`socket:[${fields[9]}]`);
    }
  }
  if (inodes.size === 0) return undefined;
  for (const pid of listOf("/proc").filter((name) => /^\d+$/.test(name))) {
    for (const fd of listOf(`/proc/${pid}/fd`)) {
      try {
        if (inodes.has(fs.readlinkSync(`/proc/${pid}/fd/${fd}`))) return Number(pid);
      } catch {
        continue; // closed meanwhile
      }
    }
  }
  return undefined;
}

/** Where a figure was measured. */
export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGib: number;
  readonly system: string;
  readonly runtime: string;
}

export function machine(): Machine {
  const versions: Record<string, string | undefined> = process.versions;
  const runtime = versions["bun"] !== undefined
    ? `Bun ${versions["bun"]}`
    : versions["deno"] !== undefined
    ? `Deno ${versions["deno"]}`
    : `Node ${process.version}`;
  const cpus = os.cpus();
  return {
    cores: cpus.length,
    cpu: cpus[0]?.model.trim() ?? "unknown",
    memoryGib: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    runtime,
  };
}

function readLines(file: string): string[] {
  try {
    return fs.readFileSync(file, "latin1").split("\n").slice(1);
  } catch {
    return []; // no IPv6, or no /proc
  }
}

function listOf(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch {
    return []; // another user's process
  }
}
