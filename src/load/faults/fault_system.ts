import type { FaultTarget } from "./fault_target.ts";
import type { FaultProxy } from "./fault_proxy.ts";

/** Links of one kind, each through a proxy of ours. */
export interface LinkKind {
  /** `client-gateway`. */
  readonly kind: string;
  readonly proxies: readonly FaultProxy[];
}

/** A system under test: where its clients go, and what can be done to it. */
export interface FaultSystem extends AsyncDisposable {
  /** Addresses of its gateways for clients. Every client is given all of them, each begins with another. */
  readonly urls: readonly string[];
  /** The same past our proxies, for readings. */
  readonly straightUrls: readonly string[];
  readonly app: string;
  token(account: string): string;
  /** Gateways for a client, as a router tells them; absent: there is none. Rejects when it cannot be asked. */
  lookup?(account: string): Promise<string[]>;
  /** Names of the leases that make sessions of gateways count; absent: they cannot be seen. */
  gatewayLeases?(): Promise<ReadonlySet<string>>;
  readonly targets: readonly FaultTarget[];
  readonly links: readonly LinkKind[];
  /** A folder with the logs of its processes, if it has one. */
  readonly folder: string | undefined;
  /** Nothing was wrong: at the end its folder is removed. */
  passed?(): void;
  /** What went wrong with its processes by itself, in words. */
  problems(): string[];
  /** Processes to watch, by name. */
  pids(): readonly (readonly [name: string, pid: number | undefined])[];
}
