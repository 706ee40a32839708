import { Script } from "../upstash/script.ts";
import { keyPart, packValue, unpackValue } from "../upstash/value.ts";
import { byId, type Instance } from "./naming.ts";

/** A server that does not ask again is gone after that. */
export const SERVER_TTL_MS = 10_000;

/**
 * KEYS server, its service's ids, epoch. ARGV id, incarnation, value, ms, a new epoch. Gives `ok`, or the value of the one that
 * has the name.
 */
export const REGISTER: Script = new Script(`
local before = redis.call('GET', KEYS[1])
if before and string.match(before, '^[^|]*') ~= ARGV[2] then return before end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('EXPIRE', KEYS[2], 86400)
redis.call('SET', KEYS[3], ARGV[5], 'NX')
return 'ok'`);

/** KEYS server, its service's ids. ARGV id, incarnation. */
export const DEREGISTER: Script = new Script(`
local before = redis.call('GET', KEYS[1])
if before and string.match(before, '^[^|]*') ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[2], ARGV[1])
return 1`);

/** KEYS epoch, then ids of services. ARGV for each service what its servers' keys begin with. Gives the epoch, then a list for each. */
export const LIST: Script = new Script(`
local out = {redis.call('GET', KEYS[1]) or ''}
for i = 2, #KEYS do
  local list = {}
  for _, id in ipairs(redis.call('SMEMBERS', KEYS[i])) do
    local value = redis.call('GET', ARGV[i - 1] .. id)
    if value then list[#list + 1] = value else redis.call('SREM', KEYS[i], id) end
  end
  out[i] = list
end
return out`);

/** Keys of one prefix. */
export class ServerKeys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Made by the first server that registers; another one says that everything was lost. */
  get epoch(): string {
    return `${this.#prefix}servers`;
  }

  ids(service: string): string {
    return `${this.#prefix}servers:${keyPart(service)}`;
  }

  /** What the keys of a service's servers begin with. */
  servers(service: string): string {
    return `${this.#prefix}server:${keyPart(service)}:`;
  }

  server({ service, id }: Pick<Instance, "service" | "id">): string {
    return this.servers(service) + keyPart(id);
  }
}

/** `incarnation|what others need to know`. */
export function serverText(one: Instance): string {
  const { service, id, incarnation, protocol, host, port, tags, zone, domain, healthUrl } = one;
  const value = packValue([service, id, incarnation, protocol, host, port, [...tags], zone, domain, healthUrl]);
  return `${keyPart(incarnation)}|${value}`;
}

/** undefined: it is none. */
export function readServer(text: unknown): Instance | undefined {
  const value = typeof text === "string" ? unpackValue(text.slice(text.indexOf("|") + 1)) : undefined;
  if (!value) return undefined;
  const [service, id, incarnation, protocol, host, port, tags, zone, domain, healthUrl] = value;
  if (protocol !== "ws" && protocol !== "tcp" && protocol !== "http") return undefined;
  if (typeof port !== "number" || !isTexts(tags)) return undefined;
  const texts = [service, id, incarnation, host, zone, domain, healthUrl];
  if (!isTexts(texts)) return undefined;
  const [s, i, n, h, z, d, u] = texts;
  return {
    ...{ service: s!, id: i!, incarnation: n!, protocol, host: h!, port, tags, zone: z!, domain: d!, healthUrl: u! },
  };
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

/** What LIST gave: the epoch, and each service's servers, sorted by id. undefined: it is none. */
export function readLists(result: unknown, services: number): { epoch: string; lists: Instance[][] } | undefined {
  if (!Array.isArray(result) || result.length !== services + 1) return undefined;
  const [epoch, ...lists] = result as readonly unknown[];
  if (typeof epoch !== "string" || !lists.every(isTexts)) return undefined;
  return { epoch, lists: lists.map((list) => byId(list.map(readServer).filter((one) => one !== undefined))) };
}
