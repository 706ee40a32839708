import { parseConfig, refuseProblems } from "../base/config_file.ts";
import { ImError } from "../base/errors.ts";
import { isName } from "../protocol/names.ts";
import { addressOf } from "./instances.ts";
import { byId, type Instance } from "./naming.ts";

const SYNTAX = "service=id@host:port, then ;zone=… ;tag=… ;domain=… ;health=… ;protocol=… as needed";
const MOST_ENTRIES = 10_000;
const PROTOCOLS: readonly Instance["protocol"][] = ["ws", "tcp", "http"];
/** What there is, and what each speaks unless its entry says so. */
const SERVICES: Readonly<Record<string, Instance["protocol"]>> = {
  wgateway: "ws",
  tgateway: "tcp",
  chat: "tcp",
  royal: "http",
  router: "http",
  api: "http",
};

/** What was written of one server; undefined: not written. */
interface Written {
  service: unknown;
  id: unknown;
  host: unknown;
  port: unknown;
  protocol: unknown;
  zone: unknown;
  domain: unknown;
  healthUrl: unknown;
  tags: unknown;
}

/**
 * Servers out of one setting, sorted by service and id:
 * `chat=chat01@10.0.0.5:8005;zone=z1,wgateway=gate01@[fd00::1]:8000;tag=IDC:SH_ALI;domain=wss://chat.example.com`.
 * Entries end with a comma or a line's end. What has a comma or semicolon in it needs a file.
 * @throws {ImError} CONFIG with everything that is wrong, a line each.
 */
export function parseStaticList(text: string): Instance[] {
  const problems: string[] = [];
  const entries = text.split(/[,\n]/).map((entry) => entry.trim()).filter((entry) => entry !== "");
  return finish("the static list", entries, problems, (entry) => {
    const [head, ...options] = entry.split(";").map((part) => part.trim());
    const match = /^([^=]*)=([^@]*)@(?:\[([^\]]*:[^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(head!);
    if (!match) {
      problems.push(`"${shorten(head!)}" is not understood: write ${SYNTAX}`);
      return undefined;
    }
    const [, service, id, v6, name, port] = match;
    const written = { ...NOTHING, service, id, host: v6 ?? name, port: Number(port) };
    const tags: string[] = [];
    for (const option of options) {
      const at = option.indexOf("=");
      const key = option.slice(0, Math.max(at, 0)), value = option.slice(at + 1);
      if (at >= 0 && value === "") problems.push(`"${shorten(entry)}" has nothing behind "${shorten(option)}"`);
      else if (key === "tag") tags.push(value);
      else if (key === "zone" || key === "domain" || key === "protocol") written[key] = value;
      else if (key === "health") written.healthUrl = value;
      else problems.push(`"${shorten(entry)}" has ";${shorten(option)}": write ${SYNTAX}`);
    }
    return { name: `"${shorten(entry)}"`, written: { ...written, tags } };
  });
}

/**
 * Servers out of a JSON file: a list of objects with `service`, `id`, `host`, `port` and, as needed, `protocol`, `zone`,
 * `tags` (a list), `domain`, `healthUrl`. @throws {ImError} CONFIG with everything that is wrong, a line each.
 */
export function parseStaticFile(text: string, name: string): Instance[] {
  const json = parseConfig(text, name);
  if (!Array.isArray(json)) throw new ImError("CONFIG", `Cannot read ${name}: it must be a list of servers`);
  const problems: string[] = [];
  return finish(name, json.map((entry: unknown, at) => ({ entry, at })), problems, ({ entry, at }) => {
    if (typeof entry !== "object" || entry === null || Array.isArray(entry)) {
      problems.push(`[${at}] is no object: it needs service, id, host and port`);
      return undefined;
    }
    for (const key of Object.keys(entry)) {
      if (!(key in NOTHING)) {
        problems.push(`[${at}] has "${shorten(key)}": it may have ${Object.keys(NOTHING).join(", ")}`);
      }
    }
    return { name: `[${at}]`, written: { ...NOTHING, ...entry } };
  });
}

const NOTHING: Written = {
  service: undefined,
  id: undefined,
  host: undefined,
  port: undefined,
  protocol: undefined,
  zone: undefined,
  domain: undefined,
  healthUrl: undefined,
  tags: undefined,
};

/** Reads all entries. @throws {ImError} CONFIG with the problems. */
function finish<Entry>(
  name: string,
  entries: readonly Entry[],
  problems: string[],
  read: (entry: Entry) => { name: string; written: Written } | undefined,
): Instance[] {
  const found: Instance[] = [];
  if (entries.length === 0) problems.push(`it is empty: write ${SYNTAX}`);
  if (entries.length > MOST_ENTRIES) problems.push(`it has ${entries.length} servers: at most ${MOST_ENTRIES}`);
  else {
    for (const entry of entries) {
      const one = read(entry);
      const instance = one && check(one.name, one.written, problems);
      if (instance) found.push(instance);
    }
  }
  const ids = new Set<string>(), addresses = new Set<string>();
  for (const instance of found) {
    const id = `${instance.service} ${instance.id}`, address = `${instance.service} at ${addressOf(instance)}`;
    if (ids.has(id)) problems.push(`${id} is there twice: give each server of a service its own id`);
    if (addresses.has(address)) problems.push(`${address} is there twice: one of the two cannot be right`);
    ids.add(id);
    addresses.add(address);
  }
  refuseProblems(name, problems);
  return byId(found).sort((a, b) => a.service < b.service ? -1 : a.service > b.service ? 1 : 0);
}

function check(at: string, written: Written, problems: string[]): Instance | undefined {
  const before = problems.length;
  const wrong = (key: string, value: unknown, rule: string): void => {
    const shown = value === undefined ? "missing" : shorten(JSON.stringify(value));
    problems.push(`${at}: ${key} is ${shown}: it must be ${rule}`);
  };
  const needed = (key: keyof Written, isGood: (value: string) => boolean, rule: string): string => {
    const value = written[key];
    if (typeof value === "string" && isGood(value)) return value;
    wrong(key, value, rule);
    return "";
  };
  const optional = (key: keyof Written, isGood: (value: string) => boolean, rule: string): string =>
    written[key] === undefined || written[key] === "" ? "" : needed(key, isGood, rule);
  const service = needed(
    "service",
    (value) => Object.hasOwn(SERVICES, value),
    `one of ${Object.keys(SERVICES).join(", ")}`,
  );
  const id = needed("id", isName, "a name of 1 to 60 characters without spaces, commas, slashes, bars and colons");
  const host = needed("host", isHost, "a name or an address, IPv6 in brackets");
  const protocol = optional("protocol", isProtocol, "ws, tcp or http") || (SERVICES[service] ?? "tcp");
  const zone = optional("zone", isWord, "a text of 1 to 60 characters without spaces");
  const told = optional("domain", isUrl, "a URL, as clients are told it: wss://host/path");
  const healthUrl = optional("healthUrl", isUrl, "a URL: http://host:port/health");
  const port = isPort(written.port) ? written.port : 0;
  if (port === 0) wrong("port", written.port, "1 to 65535");
  const tags = written.tags ?? [];
  if (!isTags(tags)) wrong("tags", written.tags, "words of 1 to 60 characters without spaces");
  if (problems.length > before || !isTags(tags) || !isProtocol(protocol)) return undefined;
  const isGateway = service === "wgateway" || service === "tgateway";
  const domain = told === "" && isGateway ? `${protocol}://${addressOf({ host, port })}` : told;
  return { service, id, incarnation: "", protocol, host, port, tags, zone, domain, healthUrl };
}

function isPort(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

function isTags(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((tag) => typeof tag === "string" && isWord(tag));
}

function isHost(text: string): boolean {
  return text.includes(":") ? URL.canParse(`http://[${text}]/`) : /^[A-Za-z0-9._-]{1,253}$/.test(text);
}

function isProtocol(text: string): text is Instance["protocol"] {
  return PROTOCOLS.some((one) => one === text);
}

function isWord(text: string): boolean {
  return /^[^\s,;]{1,60}$/.test(text);
}

function isUrl(text: string): boolean {
  return URL.canParse(text) && !/\s/.test(text);
}

function shorten(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 80)}…`;
}
