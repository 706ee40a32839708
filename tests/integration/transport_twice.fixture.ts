// Run by transport_server.test.ts: a server starts and stops in this process, then twice more, and leaves nothing open.
import { until } from "../contract/listen_support.ts";
import { descriptors, leaked } from "../support/descriptors.ts";
import { Running, TRANSPORTS } from "./transport_running.ts";

/** What the server still holds at its end. */
async function use(): Promise<number[]> {
  const running = await Running.start();
  const raws = await Promise.all(Array.from({ length: 20 }, (_, i) => running.raw(TRANSPORTS[i % 2]!, `c${i}`)));
  await until(() => running.server.channels.size === 20, "all are in");
  await running.server.stop();
  for (const raw of raws) raw.destroy();
  await until(() => raws.every(({ closed }) => closed), "all clients are gone");
  return [running.server.connections, running.server.wheel.size, running.server.budget.bytes];
}

await use();
const before = await descriptors();
await use();
const left = await use();
console.log(`result ${JSON.stringify({ left, leaked: await leaked(before) })}`);
