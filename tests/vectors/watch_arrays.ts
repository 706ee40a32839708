/**
 * The largest Uint8Array made by length while `run` runs, and how many: proof that nothing is allocated from a length
 * field, and that growing does not copy everything each time.
 */
export function watchArrays(run: () => void): { largest: number; count: number } {
  const real = globalThis.Uint8Array;
  let largest = 0;
  let count = 0;
  globalThis.Uint8Array = new Proxy(real, {
    construct(target, args: unknown[]) {
      count++;
      if (typeof args[0] === "number") largest = Math.max(largest, args[0]);
      return Reflect.construct(target, args) as object;
    },
  });
  try {
    run();
  } finally {
    globalThis.Uint8Array = real;
  }
  return { largest, count };
}
