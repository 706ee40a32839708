import { z } from "zod";
import { DEVICES } from "./client_settings.ts";
import { CLUSTER_SETTINGS, clusterProblems, monitorSetting, ZONE } from "./cluster_settings.ts";
import { isSame } from "./dev_settings.ts";
import { parseHostPort } from "./host_port.ts";
import { setting } from "./setting.ts";
import { KIM_PEERS, ROYAL_URL } from "./shared_settings.ts";
import { NODE_AMONG_OTHERS, STORE_SETTINGS } from "./store_settings.ts";

const { databaseUrl, inboxGroup } = STORE_SETTINGS;

/** The settings of `petrel logic`: a chat server. */
export const LogicSettings = z.strictObject({
  link: setting(
    { value: "host:port", preset: "localhost:8005", help: "Gateways connect here" },
    "host:port, IPv6 in brackets: [::1]:8005",
    parseHostPort,
  ),
  monitor: monitorSetting("localhost:8006"),
  zone: ZONE,
  royalUrl: ROYAL_URL,
  databaseUrl,
  inboxGroup,
  node: NODE_AMONG_OTHERS,
  devices: DEVICES,
  kimPeers: KIM_PEERS,
  ...CLUSTER_SETTINGS,
}).superRefine((settings, ctx) => {
  const problem = (key: string, message: string) => ctx.addIssue({ code: "custom", path: [key], message });
  const { link, monitor, royalUrl, databaseUrl } = settings;
  if (isSame(link, monitor)) problem("monitor", "expected an address of its own");
  if (royalUrl !== undefined && databaseUrl !== undefined) problem("royalUrl", "expected it or a database, not both");
  if (royalUrl === undefined && databaseUrl === undefined) {
    problem("royalUrl", "it is needed, or PETREL_DATABASE_URL: messages are kept there");
  }
  clusterProblems(settings, [link, monitor], { naming: true, upstash: true, secret: true }, problem);
});

export type LogicSettings = z.infer<typeof LogicSettings>;
