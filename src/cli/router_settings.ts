import { z } from "zod";
import { CLUSTER_SETTINGS, clusterProblems, MONITOR, ROUTES } from "./cluster_settings.ts";
import { parseAddress } from "./host_port.ts";
import { setting } from "./setting.ts";
import { ADDRESS, ORIGINS, TRUSTED_PROXIES } from "./shared_settings.ts";
import { TLS_SETTINGS, tlsProblem } from "./tls_settings.ts";

/** The settings of `petrel router`: which gateway a client uses. */
export const RouterSettings = z.strictObject({
  http: setting(
    { value: "host:port", preset: "localhost:8003", help: "Clients ask here which gateway to use; or unix:/path" },
    ADDRESS,
    parseAddress,
  ),
  monitor: MONITOR,
  ...TLS_SETTINGS,
  trustedProxies: TRUSTED_PROXIES,
  origins: ORIGINS,
  routes: ROUTES,
  ...CLUSTER_SETTINGS,
}).superRefine((settings, ctx) => {
  const { http } = settings;
  const problem = (key: string, message: string) => ctx.addIssue({ code: "custom", path: [key], message });
  const tls = tlsProblem(settings, [http]);
  if (tls) problem(...tls);
  clusterProblems(settings, [http], { naming: true, upstash: false, secret: false }, problem);
});

export type RouterSettings = z.infer<typeof RouterSettings>;
