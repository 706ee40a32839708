import { createServer } from "node:net";

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

/** Below the ports that systems give to outgoing connections: those of other tests would take it during a restart. */
const LOWEST = 10_000, BELOW = 32_000;

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
