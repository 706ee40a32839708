import { expect, test } from "bun:test";
import * as runtime from "#runtime";
import { systemClock } from "../../src/base/clock.ts";
import { connectWith } from "../../src/cli/connect.ts";
import { openRegionRouter } from "../../src/cli/region_router.ts";
import type { Instance } from "../../src/naming/naming.ts";
import { PetrelClient } from "../../src/sdk/client.ts";
import { freePort } from "../support/free_port.ts";
import { LocalSystem } from "./system_local.ts";

test("a client finds its gateway through the router, and the next one when that is gone", async () => {
  await using stack = new AsyncDisposableStack();
  const one = stack.use(await LocalSystem.start());
  let tell = (_instances: readonly Instance[]): void => {};
  const naming = {
    subscribe: (_service: string, changed: typeof tell) => {
      tell = changed;
      return { stop() {} };
    },
  };
  const router = stack.use(openRegionRouter({ naming, origins: ["*"], clock: systemClock }));
  const http = stack.use(
    await runtime.serveHttp({ hostname: "127.0.0.1", port: 0 }, (request, env) => router.app.fetch(request, env)),
  );
  let asked = 0;
  const client = new PetrelClient({
    token: one.token("ann"),
    connect: connectWith(runtime.dial),
    url: async () => {
      asked++;
      const answer = await fetch(`${http.url}/api/lookup/ann`, { signal: AbortSignal.timeout(5_000) });
      if (asked === 1) tell([gateway("gate00", `ws://127.0.0.1:${await freePort()}`), gateway("gate01", one.ws)]);
      if (!answer.ok) throw new Error(`Cannot find a gateway: the router says ${answer.status}`);
      return (await answer.json() as { domains: string[] }).domains;
    },
  });
  stack.defer(() => client.close());
  await client.login(); // the router was not ready at first, and then named a gateway that was gone
  expect(asked).toBeGreaterThan(1);
  const { seq } = await client.talk("bob", "hello").done;
  expect(seq).toBe(1);
});

function gateway(id: string, domain: string): Instance {
  const where = { host: "127.0.0.1", port: 1, zone: "", tags: [], healthUrl: "", incarnation: id };
  return { service: "wgateway", id, domain, protocol: "ws", ...where };
}
