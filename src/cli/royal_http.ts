import { hmacSha256 } from "#runtime";
import type { ListenAt, Listening } from "../comm/ports.ts";
import { admission } from "../services/royal/admission.ts";
import { royalApp } from "../services/royal/app.ts";
import { Requests } from "../services/royal/requests.ts";
import type { OpenedStore } from "./open_store.ts";
import type { ServerProcess } from "./server_process.ts";

export interface RoyalHttpConfig {
  readonly clusterSecret?: string | undefined;
  readonly kimPeers?: ((ip: string) => boolean) | undefined;
}

/** The store's HTTP API of this process, and how to stop it. */
export function royalHttp({ clusterSecret, kimPeers }: RoyalHttpConfig, opened: OpenedStore, host: ServerProcess) {
  const { clock, log, metrics, runtime } = host;
  const hmac = clusterSecret === undefined ? undefined : hmacSha256(clusterSecret);
  const requests = new Requests();
  metrics.gauge("petrel_royal_requests", "Requests to the store under way", () => requests.open);
  const app = royalApp({
    store: opened.store,
    clock,
    log,
    metrics,
    admit: admission({ clock, hmac, isPeer: kimPeers }),
    problem: () => opened.health().problem,
    changes: opened.changes,
    requests,
  });
  return {
    app,
    /** Listens; disposing answers what is under way, then drops the connections. */
    async serve(at: ListenAt): Promise<Listening> {
      const http = await runtime.serveHttp(host.at(at), (request, env) => app.fetch(request, env));
      return {
        url: http.url,
        port: http.port,
        stopAccepting: () => http.stopAccepting(),
        async [Symbol.asyncDispose]() {
          http.stopAccepting();
          opened.hurry();
          await requests.drain();
          await http[Symbol.asyncDispose]();
        },
      };
    },
  };
}
