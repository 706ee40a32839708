import { expect, test } from "bun:test";
import { talk } from "../../tests/contract/message_talk.ts";
import { PostgresProxy } from "../../tests/support/postgres_proxy.ts";
import { PostgresServer, whyNoPostgres } from "../../tests/support/postgres_server.ts";
import { systemClock } from "../base/clock.ts";
import { silent } from "../base/logger.ts";
import { Metrics } from "../base/metrics.ts";
import { openStore } from "./open_store.ts";

const why = whyNoPostgres();
const title = "a stop does not wait for ever for a PostgreSQL that is gone";

test.skipIf(why !== undefined)(why === undefined ? title : `${title} (skipped: ${why})`, async () => {
  await using server = await PostgresServer.start();
  const proxy = await PostgresProxy.start(server.port);
  const config = { node: 1, sync: "full", data: "", inboxGroup: 5, retentionDays: 0, faults: undefined } as const;
  const deps = { clock: systemClock, log: silent, metrics: new Metrics() };
  await using opened = await openStore({ ...config, database: proxy.url(server.url) }, deps);
  const key = { scope: "c1", n: 1, low: 1 };
  await proxy[Symbol.asyncDispose]();
  const asked = opened.store.append([talk("ann", "bob", { key, again: true })]).catch((error) => error.code);
  opened.hurry();
  const late = new Promise((go) => setTimeout(go, 20_000, "nothing yet"));
  expect(await Promise.race([asked, late])).toBe("CLOSED");
}, 60_000);
