const EVERY_MS = 10;

/**
 * Asks until it is so; a question that fails is asked again. The usual limit is one that a busy machine does not reach.
 * @throws {Error} it was not so in time.
 */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what = String(holds),
  withinMs = 60_000,
): Promise<void> {
  for (const end = performance.now() + withinMs;;) {
    let cause: unknown;
    try {
      if (await holds()) return;
    } catch (thrown) {
      cause = thrown;
    }
    if (performance.now() > end) throw new Error(`Waited ${withinMs} ms in vain: ${what}`, { cause });
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}
