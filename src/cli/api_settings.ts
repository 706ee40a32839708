import { z } from "zod";
import { tokenSecret } from "./client_settings.ts";
import { CLUSTER_SETTINGS, clusterProblems, isOpenAt, MONITOR, ROUTES } from "./cluster_settings.ts";
import { parseAddress } from "./host_port.ts";
import { weakSecret } from "./secret.ts";
import { setting } from "./setting.ts";
import { ADDRESS, API_KEY } from "./shared_settings.ts";
import { TLS_SETTINGS, tlsProblem } from "./tls_settings.ts";

/** The settings of `petrel api`: the HTTP API by itself. */
export const ApiSettings = z.strictObject({
  http: setting(
    { value: "host:port", preset: "localhost:8004", help: "Your servers ask here, over HTTP; or unix:/path" },
    ADDRESS,
    parseAddress,
  ),
  monitor: MONITOR,
  ...TLS_SETTINGS,
  apiKey: API_KEY,
  tokenSecret: tokenSecret("Without it the API makes none"),
  routes: ROUTES,
  ...CLUSTER_SETTINGS,
}).superRefine((settings, ctx) => {
  const { http, apiKey, tokenSecret } = settings;
  const problem = (key: string, message: string) => ctx.addIssue({ code: "custom", path: [key], message });
  const tls = tlsProblem(settings, [http]);
  if (tls) problem(...tls);
  clusterProblems(settings, [http], { naming: true, upstash: false, secret: true }, problem);
  if (apiKey === undefined) problem("apiKey", "it is needed: whoever has it may ask");
  for (const [key, secret] of [["apiKey", apiKey], ["tokenSecret", tokenSecret]] as const) {
    const weak = secret !== undefined && isOpenAt(http) ? weakSecret(secret) : undefined;
    if (weak !== undefined) problem(key, weak);
  }
});

export type ApiSettings = z.infer<typeof ApiSettings>;
