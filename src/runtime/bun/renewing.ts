import { type Clock, systemClock } from "../../base/clock.ts";
import type { TlsPair } from "../../comm/ports.ts";
import type { ConnEnv } from "../../comm/stream_conn.ts";
import type { Bound, Place } from "../node/bound.ts";

/** Between attempts to have the port again. */
const AGAIN_MS = 200;

/** A listener of Bun's. */
interface BunListener {
  readonly port?: number | undefined;
  stop(dropConnections?: boolean): unknown;
}

/** Where to listen, as Bun takes it; its types want one of the two. */
export type BunPlace = { hostname: string; port: number; reusePort: boolean } | { unix: string };

/**
 * Bun cannot change the certificate of what listens (`reload` takes `tls` and ignores it). So a new listener takes the
 * port over within one turn of the event loop; the connections of the old one live on there.
 */
export function renewing(
  place: Place,
  { log }: ConnEnv,
  clock: Clock = systemClock,
  start: (place: BunPlace, tls: TlsPair | undefined) => BunListener,
): Bound {
  const { tls } = place;
  if ("unix" in place) {
    const first = start({ unix: place.unix }, undefined);
    return { port: 0, stopAccepting: () => void first.stop(), dispose: async () => void await first.stop(true) };
  }
  const { hostname, reusePort } = place;
  const first = start({ hostname, port: place.port, reusePort }, tls?.pair);
  const port = first.port ?? place.port;
  let current: BunListener | undefined = first;
  const all = [first];
  let stopped = false;
  const renew = () => {
    if (stopped) return;
    current?.stop();
    current = undefined;
    try {
      all.push(current = start({ hostname, port, reusePort }, tls?.pair));
    } catch (thrown) {
      log.error("taking the port over for a new certificate failed", { error: thrown, port });
      clock.after(AGAIN_MS, renew);
    }
  };
  const watch = tls?.onChange(renew);
  const stopAccepting = () => {
    stopped = true;
    watch?.[Symbol.dispose]();
    current?.stop();
    current = undefined;
  };
  return {
    port,
    stopAccepting,
    async dispose() {
      stopAccepting();
      await Promise.all(all.map((one) => one.stop(true)));
    },
  };
}
