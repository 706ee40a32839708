import { z } from "zod";
import type { ListenAt } from "../comm/ports.ts";
import { clientSettings, tokenSecret } from "./client_settings.ts";
import { CLUSTER_SETTINGS, clusterProblems, isOpenAt, monitorSetting, parseOff, ROUTES } from "./cluster_settings.ts";
import { isSame } from "./dev_settings.ts";
import { weakSecret } from "./secret.ts";
import { oneOf, setting } from "./setting.ts";
import { ADDRESS, DATA } from "./shared_settings.ts";
import { tlsProblem } from "./tls_settings.ts";

/** The settings of `petrel gateway`. */
export const GatewaySettings = z.strictObject({
  http: setting(
    { value: "host:port|off", preset: "localhost:8000", help: "WebSocket clients, on any path; or unix:/path, or off" },
    `${ADDRESS}, or off`,
    parseOff,
  ),
  tcp: setting(
    { value: "host:port|off", preset: "localhost:8001", help: "TCP clients; or unix:/path, or off" },
    `${ADDRESS}, or off`,
    parseOff,
  ),
  monitor: monitorSetting("localhost:8002"),
  ...clientSettings({ messageRate: "20", connectionsPerIp: "256", drainMs: "5000" }),
  tokenSecret: tokenSecret("All gateways have the same"),
  data: DATA,
  demo: setting(
    { value: "on|off", preset: "off", help: "on: the chat page gives everybody a token for any name" },
    "on or off",
    oneOf(["on", "off"]),
  ),
  routes: ROUTES,
  ...CLUSTER_SETTINGS,
}).superRefine((settings, ctx) => {
  const problem = (key: string, message: string) => ctx.addIssue({ code: "custom", path: [key], message });
  const { monitor, tokenSecret } = settings;
  const clients = clientAddresses(settings);
  if (clients.length === 0) problem("tcp", "expected an address, or one for PETREL_HTTP: both are off");
  if (clients.length === 2 && isSame(clients[0]!, clients[1]!)) {
    problem("tcp", "expected another address than http has");
  }
  if (clients.some((at) => isSame(at, monitor))) problem("monitor", "expected an address of its own");
  if (clients.length === 2 && settings.public?.port !== undefined) {
    problem("public", "expected a host: with two ports a mapped one cannot be told; give PETREL_DOMAIN for clients");
  }
  const tls = clients.length === 0 ? undefined : tlsProblem(settings, clients);
  if (tls) problem(...tls);
  clusterProblems(settings, [...clients, monitor], { naming: true, upstash: true, secret: true }, problem);
  if (tokenSecret === undefined) problem("tokenSecret", "it is needed: clients' tokens are checked with it");
  else if ([...clients, monitor].some(isOpenAt)) {
    const weak = weakSecret(tokenSecret);
    if (weak !== undefined) problem("tokenSecret", weak);
  }
});

export type GatewaySettings = z.infer<typeof GatewaySettings>;

/** Where clients connect: HTTP before TCP. */
export function clientAddresses({ http, tcp }: { http: ListenAt | "off"; tcp: ListenAt | "off" }): ListenAt[] {
  return [http, tcp].filter((at) => at !== "off");
}
