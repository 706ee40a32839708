import process from "node:process";
import type { Usage } from "../../comm/ports.ts";

export function usage(): Usage {
  const { user, system } = process.cpuUsage();
  return { rssBytes: process.memoryUsage.rss(), cpuMicros: user + system };
}
