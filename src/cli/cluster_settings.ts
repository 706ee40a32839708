import type { ListenAt } from "../comm/ports.ts";
import { isLoopback, parseAddress, parseHostPort } from "./host_port.ts";
import { weakSecret } from "./secret.ts";
import { setting } from "./setting.ts";
import { ADDRESS, CLUSTER_SECRET, NAME, name, PROCESS_SETTINGS, text } from "./shared_settings.ts";

/** Where processes find each other. */
export type NamingChoice =
  | { readonly kind: "memory" }
  /** As written behind `static:`. */
  | { readonly kind: "static"; readonly list: string }
  | { readonly kind: "upstash" }
  /** `http://host:port` of a Consul agent, or https. */
  | { readonly kind: "consul"; readonly url: string };

/** Where others reach this process. */
export interface PublicAddress {
  readonly host: string;
  /** Undefined: the one it listens at. */
  readonly port: number | undefined;
}

/** The settings of every process that is one among others. */
export const CLUSTER_SETTINGS = {
  serviceId: setting(
    { value: "name", help: "Name of this process, of no other of its kind; without it a new one for each run" },
    NAME,
    name,
  ),
  public: setting(
    {
      value: "host",
      help: "Where other processes reach this one, when it is not where it listens: host, or host:port",
    },
    "a host, or host:port, IPv6 in brackets: [fd00::1]:8005",
    parsePublic,
  ),
  tags: setting(
    { value: "list", help: "Tags that others find this process by, e.g. IDC:SH_ALI" },
    "words joined by commas",
    parseWords,
  ),
  naming: setting(
    {
      value: "where",
      help: "Where processes find each other: upstash (when its URL is given), consul://host:port, or static:…",
    },
    "upstash, consul://host:port or static:…",
    parseNaming,
  ),
  consulHttpToken: setting(
    { value: "text", secret: true, variable: "CONSUL_HTTP_TOKEN", help: "What Consul lets us in with, if it asks" },
    "a token that is not empty",
    text,
  ),
  upstashRedisRestUrl: setting(
    {
      value: "url",
      variable: "UPSTASH_REDIS_REST_URL",
      help: "Upstash Redis, or `petrel upstash` in front of a Redis of yours: sessions, leases, naming",
    },
    "https://host or http://host:port",
    (given) => /^https?:\/\/[^\s/]/.test(given) && URL.canParse(given) ? given : undefined,
  ),
  upstashRedisRestToken: setting(
    { value: "text", secret: true, variable: "UPSTASH_REDIS_REST_TOKEN", help: "What Upstash Redis lets us in with" },
    "a token that is not empty",
    text,
  ),
  reusePort: setting(
    {
      value: "on|off",
      preset: "off",
      help: "on: another process may listen at the same addresses, so that it is there before this one stops",
    },
    "on or off",
    (given) => given === "on" ? true : given === "off" ? false : undefined,
  ),
  clusterSecret: CLUSTER_SECRET,
  ...PROCESS_SETTINGS,
} as const;

export function monitorSetting(preset: string) {
  return setting(
    { value: "host:port", preset, help: "/health, /ready and /metrics of a process answer here" },
    ADDRESS,
    parseAddress,
  );
}

export const MONITOR = setting(
  { value: "host:port", help: "/health, /ready and /metrics answer here; without it at the HTTP address" },
  ADDRESS,
  parseAddress,
);

export const ROUTES = setting(
  { value: "folder", help: "Has route.json (zones), and for the router mapping.json and regions.json" },
  "a folder",
  text,
);

export const ZONE = setting(
  { value: "name", help: "Zone of this chat server, as the route file names it" },
  NAME,
  name,
);

/** An address, or nowhere. */
export function parseOff(given: string): ListenAt | "off" | undefined {
  return given === "off" ? "off" : parseAddress(given);
}

/** What the checks below need of a role's settings. */
interface ClusterValues {
  readonly public: PublicAddress | undefined;
  readonly naming: NamingChoice | undefined;
  readonly upstashRedisRestUrl: string | undefined;
  readonly upstashRedisRestToken: string | undefined;
  readonly clusterSecret: string | undefined;
}

export type Problem = (key: string, message: string) => void;

/**
 * What is wrong with the settings that say where a process finds others and is found.
 * @param listens at which others find it. @param needs what it cannot be without.
 */
export function clusterProblems(
  settings: ClusterValues,
  listens: readonly ListenAt[],
  needs: { readonly naming: boolean; readonly upstash: boolean; readonly secret: boolean },
  problem: Problem,
): void {
  const { upstashRedisRestUrl: url, upstashRedisRestToken: token, clusterSecret, naming } = settings;
  if (url === undefined && needs.upstash) {
    problem("upstashRedisRestUrl", "it is needed: sessions of all processes are kept there");
  }
  if (url !== undefined && token === undefined) problem("upstashRedisRestToken", "it is needed, too");
  if (url === undefined && naming?.kind === "upstash") problem("naming", "upstash needs UPSTASH_REDIS_REST_URL");
  if (naming === undefined && url === undefined && needs.naming && !needs.upstash) {
    problem("naming", "it is needed: upstash, consul://host:port or static:…");
  }
  if (naming?.kind === "memory") {
    problem("naming", "memory is for one process alone; expected upstash, consul:// or static:");
  }
  if (needs.secret && clusterSecret === undefined) problem("clusterSecret", "it is needed: links are signed with it");
  if (clusterSecret !== undefined && listens.some(isOpenAt)) {
    const weak = weakSecret(clusterSecret);
    if (weak !== undefined) problem("clusterSecret", weak);
  }
  const found = naming !== undefined || url !== undefined;
  if (found && settings.public === undefined && listens.some(isEverywhere)) {
    problem("public", "it is needed: others cannot be told 0.0.0.0; give the host under which they reach this process");
  }
}

/** Can others than this machine reach it? */
export function isOpenAt({ hostname, unix }: ListenAt): boolean {
  return unix === undefined && !isLoopback(hostname);
}

function isEverywhere({ hostname }: ListenAt): boolean {
  return hostname === "0.0.0.0" || hostname === "::";
}

function parsePublic(given: string): PublicAddress | undefined {
  const alone = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))$/.exec(given);
  if (alone) return { host: alone[1] ?? alone[2]!, port: undefined };
  const both = parseHostPort(given);
  return both && both.port > 0 && !given.startsWith(":") ? { host: both.hostname, port: both.port } : undefined;
}

function parseWords(given: string): readonly string[] | undefined {
  const words = given.split(",").map((one) => one.trim());
  return words.every((one) => /^[^\s,]{1,60}$/.test(one)) ? words : undefined;
}

function parseNaming(given: string): NamingChoice | undefined {
  if (given === "memory" || given === "upstash") return { kind: given };
  if (/^static:\s*\S/.test(given)) return { kind: "static", list: given.slice("static:".length).trim() };
  const [, tls, consul] = /^consul(\+https)?:\/\/([^/]+:\d+)\/?$/.exec(given) ?? [];
  const url = `${tls ? "https" : "http"}://${consul}`;
  return consul !== undefined && URL.canParse(url) ? { kind: "consul", url } : undefined;
}
