import { freePorts as someFreePorts, isFree, LOWEST_PORT } from "../../src/load/free_ports.ts";

const FROM = 2_000;

/**
 * A port nobody listens on at this moment. Only for what must come back on the same port after a restart; everything
 * else listens on port 0 and says which one it got.
 */
export async function freePort(): Promise<number> {
  const [port] = await someFreePorts(1);
  return port!;
}

/**
 * The first of so many ports in a row that nobody listens on at this moment: for programs that take a base port. None that
 * `freePort` gives.
 */
export async function freePorts(count: number): Promise<number> {
  next: for (let attempt = 0; attempt < 100; attempt++) {
    const first = FROM + Math.floor(Math.random() * (LOWEST_PORT - FROM - count));
    for (let port = first; port < first + count; port++) if (!await isFree(port)) continue next;
    return first;
  }
  throw new Error(`Cannot find ${count} free ports in a row`);
}
