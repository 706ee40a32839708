import { serveHttp } from "#runtime";
import { silent } from "../../src/base/logger.ts";
import { ConsulNaming } from "../../src/naming/consul.ts";
import { namingContract, testInstance } from "../contract/naming.ts";
import { QUICK } from "../support/consul_processes.ts";
import { ConsulStand } from "../support/consul_stand.ts";

for (const agents of [1, 2]) {
  namingContract(`consul with ${agents} agents`, async () => {
    const stack = new AsyncDisposableStack();
    const health = stack.use(await serveHttp({ hostname: "127.0.0.1", port: 0 }, () => new Response("ok")));
    const stand = stack.use(await ConsulStand.start({ agents }));
    const open = (agent: number) => stack.use(new ConsulNaming({ url: stand.url(agent), log: silent, times: QUICK }));
    const healthUrl = `${health.url.replace("tcp:", "http:")}/health`;
    return {
      one: open(0),
      other: open(agents - 1),
      instance: (more) => testInstance({ healthUrl, ...more }),
      [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
    };
  });
}
