import { createServer } from "node:net";

/**
 * A port nobody listens on at this moment. Only for what must come back on the same port after a restart; everything
 * else listens on port 0 and says which one it got.
 */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error(`Cannot find a free port: got ${address}`);
  return address.port;
}
