import type { Clock } from "../base/clock.ts";

/** The parts of a page that tell when it is worth trying again. Neither Bun nor Deno has them all. */
interface Page {
  readonly addEventListener?: (type: string, listener: () => void) => void;
  readonly removeEventListener?: (type: string, listener: () => void) => void;
  readonly document?: Page & { readonly visibilityState?: string };
}

const TICK_MS = 5_000;
/** A tick that comes so late, by any clock, means that the machine slept, or that a clock was set. */
const LATE_MS = 15_000;

/**
 * Calls `wake` when the network is back, when the page is looked at again, and after sleep; the function returned ends
 * that. Timers of a hidden page are always late and say nothing; being shown wakes it.
 */
export function onWake(wake: () => void, clock: Clock, page: Page = globalThis as Page): () => void {
  const { document } = page;
  const seen = () => {
    if (document?.visibilityState !== "hidden") wake();
  };
  let mono = clock.mono();
  let wall = clock.now();
  const tick = clock.every(TICK_MS, () => {
    const late = Math.max(clock.mono() - mono, Math.abs(clock.now() - wall)) > TICK_MS + LATE_MS;
    mono = clock.mono();
    wall = clock.now();
    if (late) seen();
  });
  page.addEventListener?.("online", wake);
  page.addEventListener?.("pageshow", wake);
  document?.addEventListener?.("visibilitychange", seen);
  return () => {
    tick.stop();
    page.removeEventListener?.("online", wake);
    page.removeEventListener?.("pageshow", wake);
    document?.removeEventListener?.("visibilitychange", seen);
  };
}
