import { z } from "zod";
import { isName } from "../protocol/names.ts";
import { parseIpRanges } from "../comm/ip_range.ts";
import { isLoopback, parseAddress } from "./host_port.ts";
import { LOG_LEVELS } from "./log.ts";
import { oneOf, setting, wholeNumber } from "./setting.ts";

/** KIM's built-in secret: everybody can sign with it. */
const WELL_KNOWN_SECRET = "jwt-1sNzdiSgnNuxyq2g7xml2JvLArU";
/** RFC 7518 section 3.2: a key of HS256 has at least the size of its hash. */
const SECRET_BYTES = 32;

const ADDRESS = "host:port, IPv6 in brackets: [::1]:8000, or unix:/path";

/** The settings of `petrel dev`: every role in one process. */
export const DevSettings = z.strictObject({
  http: setting(
    {
      value: "host:port",
      preset: "localhost:8000",
      help: "Pages, HTTP API, and WebSocket clients on any path; or unix:/path",
    },
    ADDRESS,
    parseAddress,
  ),
  tcp: setting(
    { value: "host:port", preset: "localhost:8001", help: "TCP clients; or unix:/path" },
    ADDRESS,
    parseAddress,
  ),
  tlsCert: setting(
    { value: "file", help: "Serves HTTPS, wss and TLS on TCP with this certificate (PEM, its chain behind it)" },
    "a file",
    (text) => text || undefined,
  ),
  tlsKey: setting(
    { value: "file", help: "The certificate's key (PEM, not encrypted); both files are read again when they change" },
    "a file",
    (text) => text || undefined,
  ),
  trustedProxies: setting(
    {
      value: "list",
      help: "Proxies whose X-Forwarded-For is believed and that send a PROXY header on TCP: addresses, ranges, unix",
    },
    "addresses like 10.0.0.1, ranges like 10.0.0.0/8 or fd00::/8, or unix, joined by commas",
    parseIpRanges,
  ),
  domain: setting(
    { value: "url", help: "The URL that the router tells clients for this gateway, e.g. wss://chat.example" },
    "ws://, wss://, tcp:// or tls:// with a host",
    (text) => isClientUrl(text) ? text : undefined,
  ),
  public: setting(
    { value: "list", help: "More URLs for clients, told after the domain; without both, the one they asked with" },
    "URLs like wss://a.example or tls://a.example:8001, joined by commas",
    parseClientUrls,
  ),
  data: setting(
    { value: "folder", preset: "./data", help: "Messages and the token secret made for development" },
    "a folder",
    (text) => text || undefined,
  ),
  sync: setting(
    {
      value: "full|normal",
      preset: "full",
      help: "full: an answer means synced to disk; normal: committed only, a power cut may take the last ones",
    },
    "full or normal",
    oneOf(["full", "normal"]),
  ),
  log: setting(
    { value: "level", preset: "info", help: `What is logged: ${LOG_LEVELS.join(", ")}` },
    `one of ${LOG_LEVELS.join(", ")}`,
    oneOf(LOG_LEVELS),
  ),
  serviceId: setting(
    { value: "name", preset: "gate01", help: "Name of this gateway; one of its kind in a cluster" },
    "a name: 1 to 60 characters, no spaces, none of , / | :",
    (text) => isName(text) ? text : undefined,
  ),
  node: setting(
    { value: "number", preset: "0", help: "Node number in message ids, 0 to 1023; no two processes share one" },
    "a whole number from 0 to 1023",
    wholeNumber(0, 1023),
  ),
  tokenSecret: setting(
    {
      value: "text",
      secret: true,
      help: "Signs and checks login tokens (HS256). Without it one is made and kept in the data folder",
    },
    "a secret that is not empty",
    (text) => text || undefined,
  ),
  databaseUrl: setting(
    {
      value: "url",
      secret: true,
      help: "postgres://user:password@host/database; without it SQLite in the data folder",
    },
    "postgres://user:password@host/database",
    (text) => /^postgres(ql)?:\/\/./.test(text) && URL.canParse(text) ? text : undefined,
  ),
  inboxGroup: setting(
    { value: "number", preset: "500", help: "Groups with more members are large: their messages get no inbox rows" },
    "a whole number from 1 to 2000",
    wholeNumber(1, 2_000),
  ),
  devices: setting(
    { value: "number", preset: "16", help: "Devices of one account online at once; 1 is KIM's rule" },
    "a whole number from 1 to 1000",
    wholeNumber(1, 1000),
  ),
  messageRate: setting(
    { value: "number", preset: "0", help: "Requests per second and account, three times that in a burst; 0: no limit" },
    "a whole number, 0 for no limit",
    wholeNumber(0, 1_000_000),
  ),
  connectionsPerIp: setting(
    { value: "number", preset: "0", help: "Connections per client address; 0: no limit" },
    "a whole number, 0 for no limit",
    wholeNumber(0, 1_000_000),
  ),
  origins: setting(
    { value: "list", preset: "*", help: "Origins whose pages may connect, e.g. https://a.example,https://b.example" },
    "* or origins like https://a.example, joined by commas",
    parseOrigins,
  ),
  demo: setting(
    {
      value: "on|off|auto",
      preset: "auto",
      help: "on: the chat page gives everybody a token for any name; auto: on while only this machine can reach it",
    },
    "on, off or auto",
    oneOf(["on", "off", "auto"]),
  ),
  drainMs: setting(
    { value: "ms", preset: "500", help: "At a stop, clients are asked to leave spread over this time" },
    "a whole number from 0 to 600000",
    wholeNumber(0, 600_000),
  ),
  fault: setting(
    { value: "place=action", help: "Makes the process fail at a named place; for tests" },
    "",
    (text) => text,
  ),
}).superRefine((settings, ctx) => {
  const { http, tcp, tokenSecret, tlsCert, tlsKey } = settings;
  const problem = (key: string, message: string) => ctx.addIssue({ code: "custom", path: [key], message });
  if (http.port !== 0 && http.port === tcp.port && http.hostname === tcp.hostname) {
    problem("tcp", "expected another address than http has");
  }
  if (http.unix !== undefined && http.unix === tcp.unix) problem("tcp", "expected another path than http has");
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    if (tlsCert === undefined) problem("tlsKey", "it needs the certificate too: PETREL_TLS_CERT");
    else problem("tlsCert", "it needs its key too: PETREL_TLS_KEY");
  } else if (tlsCert !== undefined && http.unix !== undefined && tcp.unix !== undefined) {
    problem("tlsCert", "nothing would use it: unix sockets have no TLS");
  }
  if (tokenSecret === undefined || isLoopback(http.hostname) && isLoopback(tcp.hostname)) return;
  if (tokenSecret === WELL_KNOWN_SECRET) problem("tokenSecret", "everybody knows this one; it only works on localhost");
  else if (new TextEncoder().encode(tokenSecret).length < SECRET_BYTES) {
    problem("tokenSecret", `expected ${SECRET_BYTES} bytes or more, unless all addresses are on localhost`);
  }
});

export type DevSettings = z.infer<typeof DevSettings>;

function parseClientUrls(text: string): readonly string[] | undefined {
  const urls = text.split(",").map((one) => one.trim());
  return urls.every(isClientUrl) ? urls : undefined;
}

function isClientUrl(text: string): boolean {
  return /^(wss?|tcp|tls):\/\/[^\s/]/.test(text) && URL.canParse(text);
}

function parseOrigins(text: string): readonly string[] | undefined {
  const origins = text.split(",").map((origin) => origin.trim().replace(/\/$/, ""));
  return origins.every((one) => one === "*" || URL.canParse(one) && new URL(one).origin === one) ? origins : undefined;
}
