import { z } from "zod";
import { CLUSTER_SETTINGS, clusterProblems, MONITOR } from "./cluster_settings.ts";
import { parseAddress } from "./host_port.ts";
import { setting } from "./setting.ts";
import { ADDRESS, DATA, KIM_PEERS } from "./shared_settings.ts";
import { NODE_AMONG_OTHERS, STORE_SETTINGS, WHO_MAY_ASK } from "./store_settings.ts";
import { TLS_SETTINGS, tlsProblem } from "./tls_settings.ts";

/** The settings of `petrel royal`: the message and group store by itself. */
export const RoyalSettings = z.strictObject({
  royal: setting(
    { value: "host:port", preset: "localhost:8080", help: "Chat servers ask here, over HTTP; or unix:/path" },
    ADDRESS,
    parseAddress,
  ),
  monitor: MONITOR,
  ...TLS_SETTINGS,
  data: DATA,
  ...STORE_SETTINGS,
  node: NODE_AMONG_OTHERS,
  kimPeers: KIM_PEERS,
  ...CLUSTER_SETTINGS,
}).superRefine((settings, ctx) => {
  const { royal, clusterSecret, kimPeers } = settings;
  const problem = (key: string, message: string) => ctx.addIssue({ code: "custom", path: [key], message });
  if (clusterSecret === undefined && kimPeers === undefined) problem("clusterSecret", WHO_MAY_ASK);
  const tls = tlsProblem(settings, [royal]);
  if (tls) problem(...tls);
  clusterProblems(settings, [royal], { naming: false, upstash: false, secret: false }, problem);
});

export type RoyalSettings = z.infer<typeof RoyalSettings>;
