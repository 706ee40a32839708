import { type Options, UsageError } from "../options.ts";
import { openTarget } from "../target.ts";
import { FaultProxy } from "./fault_proxy.ts";
import type { FaultSystem } from "./fault_system.ts";
import { readTargets } from "./target_file.ts";

/**
 * A system that somebody else runs: its clients go through proxies of ours, so that their links can be cut; everything
 * else is done by the commands of its target file. @throws {UsageError}
 */
export async function openGivenSystem(options: Options): Promise<FaultSystem> {
  const file = options.text("targets");
  const targets = file === undefined ? [] : readTargets(file);
  await using stack = new AsyncDisposableStack();
  const target = stack.use(await openTarget(options));
  const { urls, app } = target;
  const secure = urls.find(({ tls }) => tls);
  if (secure !== undefined) {
    throw new UsageError(
      `Cannot use --url ${secure.text}: certificates do not fit through the proxy; use ws:// or tcp://`,
    );
  }
  if (!urls.some(({ transport }) => transport === "ws")) {
    throw new UsageError("Cannot use --url: one of them must be ws://, our clients speak WebSocket");
  }
  const proxies: FaultProxy[] = [];
  for (const { host, port } of urls) proxies.push(stack.use(await FaultProxy.start({ host, port })));
  const running = stack.move();
  return {
    urls: urls.map(({ transport, path }, i) =>
      `${transport}://127.0.0.1:${proxies[i]!.port}${transport === "ws" ? path : ""}`
    ),
    straightUrls: urls.map(({ text }) => text),
    app,
    token: (account) => target.token(account),
    targets,
    links: [{ kind: "client-gateway", proxies }],
    folder: undefined,
    problems: () => [],
    pids: () => [],
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
