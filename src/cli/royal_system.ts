import manifest from "../../package.json" with { type: "json" };
import { systemClock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import { Metrics } from "../base/metrics.ts";
import type { ListenAt, Runtime } from "../comm/ports.ts";
import { RoomChanges } from "../message/room_changes.ts";
import { monitorApp } from "../services/monitor/app.ts";
import { readFaults } from "./faults.ts";
import { openStore, type StoreConfig } from "./open_store.ts";
import { measureProcess } from "./process_metrics.ts";
import { prometheusText } from "./prometheus.ts";
import { royalHttp, type RoyalHttpConfig } from "./royal_http.ts";
import { TlsFiles } from "./tls_files.ts";

export interface RoyalConfig extends Omit<StoreConfig, "royalUrl" | "clusterSecret" | "faults">, RoyalHttpConfig {
  readonly royal: ListenAt;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly fault?: string | undefined;
}

/** A running store. Disposing stops it gracefully. */
export interface RoyalSystem extends AsyncDisposable {
  /** `http://127.0.0.1:8080`, with the port really bound; `https:` with TLS, `http+unix:/path`. */
  readonly url: string;
  readonly metrics: Metrics;
  /** Resolves when the process must end: the store cannot say what became of a batch. */
  readonly failed: Promise<Error>;
}

/** The message and group store by itself, over HTTP. @throws {ImError} CONFIG: port taken, folder in use. */
export async function startRoyal(config: RoyalConfig, runtime: Runtime, log: Logger): Promise<RoyalSystem> {
  await using stack = new AsyncDisposableStack();
  const clock = systemClock;
  const metrics = new Metrics();
  stack.use(measureProcess(metrics, clock));
  const { tlsCert, tlsKey, royal, fault, data, sync } = config;
  const tls = tlsCert === undefined || tlsKey === undefined
    ? undefined
    : stack.use(await TlsFiles.open({ cert: tlsCert, key: tlsKey }, { clock, log, metrics }));
  const changes = new RoomChanges(crypto.randomUUID());
  const store = { ...config, clusterSecret: undefined, faults: readFaults(fault, clock).store };
  const opened = stack.use(await openStore(store, { clock, log, metrics, changes }));
  const { app, serve } = royalHttp(config, { clock, log, metrics, opened, changes });
  let stopping = false;
  app.route(
    "/",
    monitorApp({
      problem: () => stopping ? "it stops" : opened.health().problem,
      facts: () => ({
        version: manifest.version,
        runtime: runtime.name,
        ...(config.database === undefined && { sync }),
        ...(tls && { tlsDaysLeft: Math.floor(tls.daysLeft) }),
      }),
      metrics: () => prometheusText(metrics),
    }),
  );
  const http = stack.use(await serve({ ...royal, clock, log, ...(tls && { tls }) }, runtime.serveHttp));
  log.info("started", { royal: http.url, ...(config.database === undefined && { data, sync }) });
  const running = stack.move();
  return {
    url: http.url,
    metrics,
    failed: opened.failed,
    async [Symbol.asyncDispose]() {
      stopping = true;
      log.info("stopping", {});
      await running.disposeAsync();
      log.info("stopped", {});
    },
  };
}
