import { z } from "zod";
import { isName } from "../protocol/names.ts";
import { parseIpRanges } from "../comm/ip_range.ts";
import type { ListenAt } from "../comm/ports.ts";
import { isLoopback, parseAddress } from "./host_port.ts";
import { weakSecret } from "./secret.ts";
import { oneOf, setting, wholeNumber } from "./setting.ts";
import { ADDRESS, STORE_SETTINGS, WHO_MAY_ASK } from "./store_settings.ts";
import { TLS_SETTINGS, tlsProblem } from "./tls_settings.ts";

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
  ...TLS_SETTINGS,
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
  ...STORE_SETTINGS,
  royalUrl: setting(
    {
      value: "url",
      help: "Messages are kept by `petrel royal` there, e.g. http://localhost:8080, in place of a store of its own",
    },
    "http://host:port or https://host:port",
    (text) => /^https?:\/\/[^\s/]/.test(text) && URL.canParse(text) ? text : undefined,
  ),
  royal: setting(
    { value: "host:port", help: "Answers at this address as `petrel royal` does, beside everything else" },
    ADDRESS,
    parseAddress,
  ),
  serviceId: setting(
    { value: "name", preset: "gate01", help: "Name of this gateway; one of its kind in a cluster" },
    "a name: 1 to 60 characters, no spaces, none of , / | :",
    (text) => isName(text) ? text : undefined,
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
}).superRefine((settings, ctx) => {
  const { http, tcp, tokenSecret } = settings;
  const problem = (key: string, message: string) => ctx.addIssue({ code: "custom", path: [key], message });
  if (http.port !== 0 && http.port === tcp.port && http.hostname === tcp.hostname) {
    problem("tcp", "expected another address than http has");
  }
  if (http.unix !== undefined && http.unix === tcp.unix) problem("tcp", "expected another path than http has");
  const tls = tlsProblem(settings, [http, tcp]);
  if (tls) problem(...tls);
  const { royal, royalUrl, databaseUrl, clusterSecret, kimPeers } = settings;
  if (royalUrl !== undefined && databaseUrl !== undefined) problem("royalUrl", "expected it or a database, not both");
  if (royalUrl !== undefined && royal !== undefined) {
    problem("royal", "expected no store of another's: PETREL_ROYAL_URL");
  }
  if (royal !== undefined && clusterSecret === undefined && kimPeers === undefined) problem("royal", WHO_MAY_ASK);
  const weak = tokenSecret !== undefined && isOpen(settings) ? weakSecret(tokenSecret) : undefined;
  if (weak !== undefined) problem("tokenSecret", weak);
  const weaker = clusterSecret !== undefined && isReachable(royal, royalUrl) ? weakSecret(clusterSecret) : undefined;
  if (weaker !== undefined) problem("clusterSecret", weaker);
});

export type DevSettings = z.infer<typeof DevSettings>;

/** Can others than this machine reach clients' ports? */
export function isOpen({ http, tcp }: { readonly http: ListenAt; readonly tcp: ListenAt }): boolean {
  return [http, tcp].some(({ hostname }) => !isLoopback(hostname));
}

/** Is this secret used beyond this machine? */
function isReachable(royal: ListenAt | undefined, royalUrl: string | undefined): boolean {
  if (royal !== undefined) return royal.unix === undefined && !isLoopback(royal.hostname);
  return royalUrl !== undefined && !isLoopback(new URL(royalUrl).hostname.replace(/^\[|\]$/g, ""));
}

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
