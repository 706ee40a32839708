// 4 KiB bound what one small view that is kept keeps alive.
const SLAB = 4096;
const LARGEST_VIEW = 1024;

let slab: ArrayBuffer | undefined;
let used = 0;

/**
 * From now on small arrays are cut from slabs. For engines that keep the bytes of every array outside their heap: there
 * (Deno) a new array costs 1 µs and a view 60 ns, so that forwarding a packet takes 880 instead of 1,250 ns; where new
 * arrays are cheap (Bun) it would take 800 instead of 670. A runtime calls it once, at its start.
 */
export function useSlabs(): void {
  slab ??= new ArrayBuffer(SLAB);
}

/**
 * A zeroed array of its own bytes. It may be a view of a shared buffer: never transfer or hand on `.buffer`, and copy
 * what is kept for long.
 */
export function allocate(bytes: number): Uint8Array {
  // hot: per packet
  if (slab === undefined || bytes > LARGEST_VIEW) return new Uint8Array(bytes);
  if (used + bytes > SLAB) {
    slab = new ArrayBuffer(SLAB);
    used = 0;
  }
  const view = new Uint8Array(slab, used, bytes);
  used += bytes;
  return view;
}
