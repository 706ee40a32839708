import { createServer } from "node:net";
import { isBlockedByFetch } from "../base/fetch_ports.ts";

/** Below the ports that systems give to outgoing connections: these would take one before it is used, or during a restart. */
export const LOWEST_PORT = 10_000;
const BELOW = 32_000;

/** So many ports of 127.0.0.1 that nobody listens on at this moment. @throws {Error} there are none. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  for (let attempt = 0; found.size < count; attempt++) {
    if (attempt === 100 * count) throw new Error(`Cannot find ${count} free ports`);
    const port = LOWEST_PORT + Math.floor(Math.random() * (BELOW - LOWEST_PORT));
    if (await isFree(port)) found.add(port);
  }
  return [...found];
}

/** Does nobody listen there, and would fetch ask it? */
export function isFree(port: number): Promise<boolean> {
  if (isBlockedByFetch(port)) return Promise.resolve(false);
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
