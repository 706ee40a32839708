import { Hono } from "hono";

/** What the monitor pages tell; handed in by whoever starts the process. */
export interface MonitorDeps {
  /** Undefined when everything works, else what does not, in words. */
  readonly problem: () => string | undefined;
  /** Facts for `/ready`: numbers and words that are safe to show. */
  readonly facts: () => Record<string, unknown>;
  /** Prometheus text. */
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>;
}

/** `/health` (the process lives), `/ready` (it can do its work; 503 with the problem when not), `/metrics`. */
export function monitorApp(deps: MonitorDeps): Hono {
  const app = new Hono();
  app.get("/health", (c) => c.text("ok"));
  app.get("/ready", (c) => {
    const problem = deps.problem();
    return c.json(
      { ready: problem === undefined, ...(problem ? { problem } : {}), ...deps.facts() },
      problem ? 503 : 200,
    );
  });
  app.get("/metrics", async (c) => {
    const { type, text } = await deps.metrics();
    return c.body(text, 200, { "content-type": type });
  });
  for (const path of ["/health", "/ready", "/metrics"]) {
    app.all(
      path,
      (c) =>
        c.json({ code: "METHOD_NOT_ALLOWED", message: `Only GET is possible at ${path}` }, 405, { allow: "GET, HEAD" }),
    );
  }
  return app;
}
