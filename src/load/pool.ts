/** Runs `job(0)` … `job(count - 1)`, at most `width` at a time. Rejects with the first failure, starting no more. */
export async function pool(count: number, width: number, job: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  let failed = false;
  const worker = async () => {
    while (next < count && !failed) {
      try {
        await job(next++);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const done = await Promise.allSettled(Array.from({ length: Math.min(width, count) }, worker));
  for (const one of done) if (one.status === "rejected") throw one.reason;
}

/** After `ms` milliseconds. */
export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
