import process from "node:process";
import { type Browser, chromium } from "playwright-core";
import { findChromium, NO_CHROMIUM } from "../../scripts/chromium.ts";

/** A headless Chromium with an empty profile, which asks nothing of any other machine. @throws when there is none. */
export async function startChromium(more: readonly string[] = []): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error(`Cannot start a browser: ${NO_CHROMIUM}`);
  return await chromium.launch({
    executablePath,
    chromiumSandbox: process.getuid?.() !== 0, // root has none
    args: [
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...more,
    ],
  });
}
