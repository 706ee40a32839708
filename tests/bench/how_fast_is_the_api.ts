/** How many messages does the HTTP API store per second, and how long does one take? Run it with bun, or deno run -A. */
import * as runtime from "#runtime";
import { API_KEY, ApiStand } from "../support/api_stand.ts";

const MESSAGES = 6_000;

await using stand = await ApiStand.start();
const http = await runtime.serveHttp(
  { hostname: "127.0.0.1", port: 0 },
  (request, env) => stand.api.app.fetch(request, env),
);
const headers = { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" };
for (const callers of [1, 32]) {
  const took: number[] = [];
  const startMs = performance.now();
  await Promise.all(Array.from({ length: callers }, async (_, caller) => {
    for (let i = 0; i < MESSAGES / callers / (callers === 1 ? 10 : 1); i++) {
      const body = JSON.stringify({ from: `from${caller}`, to: `to${caller}`, body: "x".repeat(128) });
      const sentMs = performance.now();
      const answer = await fetch(`${http.url}/api/v1/kim/messages`, { method: "POST", headers, body });
      if (answer.status !== 200) throw new Error(await answer.text());
      await answer.arrayBuffer();
      took.push(performance.now() - sentMs);
    }
  }));
  const perSecond = took.length / (performance.now() - startMs) * 1000;
  const p50 = took.sort((a, b) => a - b)[took.length >> 1]!;
  console.log(`${runtime.name}: ${callers} callers: ${Math.round(perSecond)} messages/s, p50 ${p50.toFixed(1)} ms`);
}
await http[Symbol.asyncDispose]();
