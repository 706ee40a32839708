import { ImError } from "../base/errors.ts";
import { type ConsulEntry, readHealth } from "./consul_entry.ts";
import type { AskOptions, ConsulHttp } from "./consul_http.ts";

/** What Consul says of one service. */
export interface ConsulHealth {
  readonly entries: readonly ConsulEntry[];
  /** Entries that make no sense. */
  readonly unreadable: number;
  /** What to wait on; undefined: it was not said. */
  readonly index: number | undefined;
}

/** Asks for the servers of a service. @throws {ImError} SYSTEM: no answer, or none that can be read. */
export async function askHealth(
  http: ConsulHttp,
  service: string,
  query: Readonly<Record<string, string>>,
  options: AskOptions = {},
): Promise<ConsulHealth> {
  const path = `/v1/health/service/${encodeURIComponent(service)}?${new URLSearchParams(query)}`;
  const { status, text, index } = await http.ask("GET", path, options);
  const read = status === 200 ? readHealth(service, parseJson(text)) : undefined;
  if (!read) throw new ImError("SYSTEM", `Cannot read what Consul says of ${service}: no list of servers (${status})`);
  return { ...read, index };
}

/** @throws {ImError} SYSTEM: it is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ImError("SYSTEM", "Cannot read Consul's answer: it is not JSON, is this Consul?", { cause });
  }
}
