import { z } from "zod";
import type { ListenAt } from "../comm/ports.ts";
import { clientSettings, DEVICES, tokenSecret } from "./client_settings.ts";
import { isLoopback, parseAddress } from "./host_port.ts";
import { weakSecret } from "./secret.ts";
import { oneOf, setting } from "./setting.ts";
import {
  ADDRESS,
  API_KEY,
  CLUSTER_SECRET,
  DATA,
  KIM_PEERS,
  NAME,
  name,
  PROCESS_SETTINGS,
  ROYAL_URL,
} from "./shared_settings.ts";
import { NODE_ALONE, STORE_SETTINGS, WHO_MAY_ASK } from "./store_settings.ts";
import { tlsProblem } from "./tls_settings.ts";

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
  ...clientSettings({ messageRate: "0", connectionsPerIp: "0", drainMs: "500" }),
  data: DATA,
  ...STORE_SETTINGS,
  node: NODE_ALONE,
  clusterSecret: CLUSTER_SECRET,
  kimPeers: KIM_PEERS,
  ...PROCESS_SETTINGS,
  royalUrl: ROYAL_URL,
  royal: setting(
    { value: "host:port", help: "Answers at this address as `petrel royal` does, beside everything else" },
    ADDRESS,
    parseAddress,
  ),
  serviceId: setting({ value: "name", preset: "gate01", help: "Name of this gateway" }, NAME, name),
  tokenSecret: tokenSecret("Without it one is made and kept in the data folder"),
  apiKey: API_KEY,
  devices: DEVICES,
  demo: setting(
    {
      value: "on|off|auto",
      preset: "auto",
      help: "on: the chat page gives everybody a token for any name; auto: on while only this machine can reach it",
    },
    "on, off or auto",
    oneOf(["on", "off", "auto"]),
  ),
}).superRefine((settings, ctx) => {
  const { http, tcp, tokenSecret, apiKey } = settings;
  const problem = (key: string, message: string) => ctx.addIssue({ code: "custom", path: [key], message });
  if (isSame(http, tcp)) problem("tcp", `expected another ${http.unix ? "path" : "address"} than http has`);
  const tls = tlsProblem(settings, [http, tcp]);
  if (tls) problem(...tls);
  const { royal, royalUrl, databaseUrl, clusterSecret, kimPeers } = settings;
  if (royalUrl !== undefined && databaseUrl !== undefined) problem("royalUrl", "expected it or a database, not both");
  if (royalUrl !== undefined && royal !== undefined) {
    problem("royal", "expected no store of another's: PETREL_ROYAL_URL");
  }
  if (royal !== undefined && clusterSecret === undefined && kimPeers === undefined) problem("royal", WHO_MAY_ASK);
  for (const [key, secret] of [["tokenSecret", tokenSecret], ["apiKey", apiKey]] as const) {
    const weak = secret !== undefined && isOpen(settings) ? weakSecret(secret) : undefined;
    if (weak !== undefined) problem(key, weak);
  }
  const weaker = clusterSecret !== undefined && isReachable(royal, royalUrl) ? weakSecret(clusterSecret) : undefined;
  if (weaker !== undefined) problem("clusterSecret", weaker);
});

export type DevSettings = z.infer<typeof DevSettings>;

/** Can both not be bound at once? */
export function isSame(one: ListenAt, other: ListenAt): boolean {
  if (one.unix !== undefined) return one.unix === other.unix;
  return one.port !== 0 && one.port === other.port && one.hostname === other.hostname && other.unix === undefined;
}

/** Can others than this machine reach clients' ports? */
export function isOpen({ http, tcp }: { readonly http: ListenAt; readonly tcp: ListenAt }): boolean {
  return [http, tcp].some(({ hostname }) => !isLoopback(hostname));
}

/** Is this secret used beyond this machine? */
function isReachable(royal: ListenAt | undefined, royalUrl: string | undefined): boolean {
  if (royal !== undefined) return royal.unix === undefined && !isLoopback(royal.hostname);
  return royalUrl !== undefined && !isLoopback(new URL(royalUrl).hostname.replace(/^\[|\]$/g, ""));
}
