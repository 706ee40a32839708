import { createServer } from "node:net";
import { isBlockedByFetch } from "../../src/cli/fetch_ports.ts";

/**
 * A port nobody listens on at this moment. Only for what must come back on the same port after a restart; everything
 * else listens on port 0 and says which one it got.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = LOWEST + Math.floor(Math.random() * (BELOW - LOWEST));
    if (await isFree(port)) return port;
  }
  throw new Error("Cannot find a free port: 100 were taken");
}

/**
 * The first of so many ports in a row that nobody listens on at this moment: for programs that take a base port. None that
 * `freePort` gives.
 */
export async function freePorts(count: number): Promise<number> {
  next: for (let attempt = 0; attempt < 100; attempt++) {
    const first = 2_000 + Math.floor(Math.random() * (LOWEST - 2_000 - count));
    for (let port = first; port < first + count; port++) if (!await isFree(port)) continue next;
    return first;
  }
  throw new Error(`Cannot find ${count} free ports in a row`);
}

/** Below the ports that systems give to outgoing connections: those of other tests would take it during a restart. */
const LOWEST = 10_000, BELOW = 32_000;

/** And of use: some are refused by fetch. */
function isFree(port: number): Promise<boolean> {
  if (isBlockedByFetch(port)) return Promise.resolve(false);
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
