import fs from "node:fs";
import path from "node:path";
import { Histogram } from "./histogram.ts";

/** How long the disk under a directory takes to write and sync 4 KiB, milliseconds. */
export interface DiskFigures {
  readonly directory: string;
  readonly writes: number;
  readonly p50: number;
  readonly p99: number;
}

/** Appends `writes` blocks of 4 KiB to a file of its own in the directory, each synced; at most 5 s. */
export function measureDisk(directory: string, writes = 300): DiskFigures {
  const file = path.join(directory, `petrel-fsync-${Math.random().toString(36).slice(2)}`);
  const block = new Uint8Array(4096).fill(0x50);
  const times = new Histogram();
  const fd = fs.openSync(file, "wx");
  try {
    const end = performance.now() + 5000;
    while (times.count < writes && performance.now() < end) {
      const start = performance.now();
      fs.writeSync(fd, block);
      fs.fsyncSync(fd);
      times.record((performance.now() - start) * 1000);
    }
  } finally {
    fs.closeSync(fd);
    fs.rmSync(file);
  }
  const { p50, p99 } = times.summary();
  return { directory, writes: times.count, p50, p99 };
}
