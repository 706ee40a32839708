/** The largest Uint8Array made by length while `run` runs: proof that nothing is allocated from a length field. */
export function largestArray(run: () => void): number {
  const real = globalThis.Uint8Array;
  let largest = 0;
  globalThis.Uint8Array = new Proxy(real, {
    construct(target, args: unknown[]) {
      if (typeof args[0] === "number") largest = Math.max(largest, args[0]);
      return Reflect.construct(target, args) as object;
    },
  });
  try {
    run();
  } finally {
    globalThis.Uint8Array = real;
  }
  return largest;
}
