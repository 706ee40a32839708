import { hmacSha256 } from "#runtime";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { Metrics } from "../base/metrics.ts";
import type { ListenAt, Listening, Runtime } from "../comm/ports.ts";
import type { RoomChanges } from "../message/room_changes.ts";
import { admission } from "../services/royal/admission.ts";
import { royalApp } from "../services/royal/app.ts";
import { Requests } from "../services/royal/requests.ts";
import type { OpenedStore } from "./open_store.ts";

export interface RoyalHttpConfig {
  readonly clusterSecret?: string | undefined;
  readonly kimPeers?: ((ip: string) => boolean) | undefined;
}

interface RoyalHttpDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly opened: OpenedStore;
  readonly changes: RoomChanges;
}

/** The store's HTTP API of this process, and how to stop it. */
export function royalHttp({ clusterSecret, kimPeers }: RoyalHttpConfig, deps: RoyalHttpDeps) {
  const { clock, log, metrics, opened, changes } = deps;
  const hmac = clusterSecret === undefined ? undefined : hmacSha256(new TextEncoder().encode(clusterSecret));
  const requests = new Requests();
  metrics.gauge("petrel_royal_requests", "Requests to the store under way", () => requests.open);
  const app = royalApp({
    store: opened.store,
    clock,
    log,
    metrics,
    admit: admission({ clock, hmac, isPeer: kimPeers }),
    problem: () => opened.health().problem,
    changes,
    requests,
  });
  return {
    app,
    /** Listens; disposing answers what is under way, then drops the connections. */
    async serve(at: ListenAt, serveHttp: Runtime["serveHttp"]): Promise<Listening> {
      const http = await serveHttp(at, (request, env) => app.fetch(request, env));
      return {
        url: http.url,
        port: http.port,
        stopAccepting: () => http.stopAccepting(),
        async [Symbol.asyncDispose]() {
          http.stopAccepting();
          await requests.drain();
          await http[Symbol.asyncDispose]();
        },
      };
    },
  };
}
