import { addressOf } from "./instances.ts";
import { byId, type Instance } from "./naming.ts";

/** A server as Consul has it. */
export interface ConsulEntry {
  readonly instance: Instance;
  /** Consul's own id of it: the service id, or another one where that was taken (`registrationOf`). */
  readonly consulId: string;
  /** Epoch ms at which it was registered; 0: not said. */
  readonly sinceMs: number;
  /** Do all its checks pass? */
  readonly passes: boolean;
}

/** `"10s"` and the like, as Consul reads them. */
const CHECK = { Timeout: "1s", Interval: "10s", DeregisterCriticalServiceAfter: "1m", Status: "passing" } as const;

/**
 * The body of `PUT /v1/agent/service/register`. Source: proto/WIRE.md "Choosing". A check's first result may take 10 s;
 * until then the server counts as well, because it registers when it is ready.
 */
export function registrationOf(instance: Instance, consulId: string, sinceMs: number): Record<string, unknown> {
  const { service, id, incarnation, protocol, host, port, tags, zone, domain, healthUrl } = instance;
  const meta: Record<string, string> = { protocol, health_url: healthUrl, domain, zone, incarnation };
  if (sinceMs > 0) meta["since"] = String(sinceMs);
  if (consulId !== id) meta["id"] = id;
  for (const key of Object.keys(meta)) if (meta[key] === "") delete meta[key];
  const name = `${consulId}_normal`;
  const how = healthUrl === "" ? { TCP: addressOf(instance) } : { HTTP: healthUrl };
  return {
    ID: consulId,
    Name: service,
    Address: host,
    Port: port,
    Tags: tags,
    Meta: meta,
    Check: { CheckID: name, Name: name, ...how, ...CHECK },
  };
}

/** Reads the answer of `GET /v1/health/service/:service`; entries that make no sense are left out and counted. */
export function readHealth(service: string, json: unknown): { entries: ConsulEntry[]; unreadable: number } | undefined {
  if (!Array.isArray(json)) return undefined;
  const entries: ConsulEntry[] = [];
  for (const item of json) {
    const { Node: node, Service: of, Checks: checks } = record(item);
    const entry = readService(service, of, text(record(node)["Address"]) ?? "");
    if (!entry) continue;
    const passes = Array.isArray(checks) && checks.every((check) => record(check)["Status"] === "passing");
    entries.push({ ...entry, passes });
  }
  return { entries, unreadable: json.length - entries.length };
}

/**
 * The servers that count, sorted by id: of two that pass under one id the one that came later, because it came when the
 * other was not there.
 */
export function livingOf(entries: readonly ConsulEntry[]): Instance[] {
  const best = new Map<string, ConsulEntry>();
  for (const entry of entries) {
    if (!entry.passes) continue;
    const other = best.get(entry.instance.id);
    if (!other || isLater(entry, other)) best.set(entry.instance.id, entry);
  }
  return byId([...best.values()].map(({ instance }) => instance));
}

/** Did the first come later? The same answer wherever it is asked. */
export function isLater(
  one: Pick<ConsulEntry, "sinceMs" | "instance">,
  other: Pick<ConsulEntry, "sinceMs" | "instance">,
): boolean {
  if (one.sinceMs !== other.sinceMs) return one.sinceMs > other.sinceMs;
  return one.instance.incarnation > other.instance.incarnation;
}

/** Name and run of what `GET /v1/agent/service/:id` has. */
export function readAgentService(json: unknown): { service: string; incarnation: string } | undefined {
  const { Service: service, Meta: meta } = record(json);
  const name = text(service);
  return name === undefined ? undefined : { service: name, incarnation: text(record(meta)["incarnation"]) ?? "" };
}

function readService(service: string, of: unknown, nodeAddress: string): Omit<ConsulEntry, "passes"> | undefined {
  const { ID: consulId, Address: address, Port: port, Tags: tags, Meta: meta } = record(of);
  const { protocol = "tcp", ...more } = record(meta);
  const host = text(address) || nodeAddress;
  const said = (key: string): string => text(more[key]) ?? "";
  const consul = text(consulId);
  const id = said("id") || consul;
  if (!consul || !id || host === "" || !isPort(port) || !isProtocol(protocol)) return undefined;
  const since = Number(said("since"));
  return {
    consulId: consul,
    sinceMs: Number.isSafeInteger(since) && since > 0 ? since : 0,
    instance: {
      service,
      id,
      incarnation: said("incarnation"),
      protocol,
      host,
      port,
      tags: Array.isArray(tags) ? tags.filter((tag) => typeof tag === "string") : [],
      zone: said("zone"),
      domain: said("domain"),
      healthUrl: said("health_url"),
    },
  };
}

function isProtocol(value: unknown): value is Instance["protocol"] {
  return value === "ws" || value === "tcp" || value === "http";
}

function isPort(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= 65_535;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** An object's fields; none of anything else. */
function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}
