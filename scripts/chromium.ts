import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** What to do when `findChromium` finds none. */
export const NO_CHROMIUM = "no Chromium on PATH: apt-get install chromium, or name one in CHROMIUM";

/** The browser that tests drive: the variable CHROMIUM, else the first of the usual names on PATH. */
export function findChromium(): string | undefined {
  if (process.env["CHROMIUM"]) return process.env["CHROMIUM"];
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path));
}
