import { z } from "zod";
import { isLoopback, parseAddress } from "./host_port.ts";
import { weakSecret } from "./secret.ts";
import { setting } from "./setting.ts";
import { ADDRESS, STORE_SETTINGS, WHO_MAY_ASK } from "./store_settings.ts";
import { TLS_SETTINGS, tlsProblem } from "./tls_settings.ts";

/** The settings of `petrel royal`: the message and group store by itself. */
export const RoyalSettings = z.strictObject({
  royal: setting(
    { value: "host:port", preset: "localhost:8080", help: "Chat servers ask here, over HTTP; or unix:/path" },
    ADDRESS,
    parseAddress,
  ),
  ...TLS_SETTINGS,
  ...STORE_SETTINGS,
}).superRefine((settings, ctx) => {
  const { royal, clusterSecret, kimPeers } = settings;
  const problem = (key: string, message: string) => ctx.addIssue({ code: "custom", path: [key], message });
  if (clusterSecret === undefined && kimPeers === undefined) problem("clusterSecret", WHO_MAY_ASK);
  const open = royal.unix === undefined && !isLoopback(royal.hostname);
  const weak = clusterSecret !== undefined && open ? weakSecret(clusterSecret) : undefined;
  if (weak !== undefined) problem("clusterSecret", weak);
  const tls = tlsProblem(settings, [royal]);
  if (tls) problem(...tls);
});

export type RoyalSettings = z.infer<typeof RoyalSettings>;
