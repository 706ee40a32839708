import { type Context, Hono } from "hono";
import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Metrics } from "../../base/metrics.ts";
import type { ImStore } from "../../message/message_store.ts";
import { CALLS } from "../../message/store_calls.ts";
import type { BodyType } from "../../protocol/bodies.ts";
import type { Content } from "../../protocol/body_codec.ts";
import { decodeAs, encodeAs } from "../../protocol/content.ts";
import * as rpc from "../../protocol/gen/rpc_messages.ts";
import { acceptOf, contentOfType, TYPE } from "./content_type.ts";
import { kimRoutes } from "./kim.ts";

export interface RoyalDeps {
  readonly store: ImStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Undefined: let in; else why not. `body` is what was signed. */
  readonly refusal: (request: Request, body: Uint8Array) => string | undefined;
}

/** Larger requests are refused. */
const MOST_BYTES = 16 << 20;

/** Carries out one request whose body was read. */
export type Run = (c: Context, body: Uint8Array, content: Content) => Promise<object>;

/**
 * The message and group store over HTTP: KIM's paths under `/api/:app` and Petrel's own under `/im`. Bodies in
 * protobuf, JSON or MessagePack by Content-Type and Accept. Errors are `ErrorBody` with 400, 401, 404, 409, 413, 415,
 * 500 or 503. Source: proto/WIRE.md "Royal".
 */
export function royalApp(deps: RoyalDeps): Hono {
  const { clock, metrics, log } = deps;
  const app = new Hono();
  const seconds = (path: string) =>
    metrics.histogram("petrel_royal_seconds", "Time of a request to the store", { path });
  const route = <Req extends object>(
    method: "GET" | "POST" | "DELETE",
    path: string,
    request: BodyType<Req>,
    response: BodyType<object>,
    run: (c: Context, request: Req) => Promise<object>,
  ) => {
    const measured = seconds(path);
    app.on(method, path, async (c) => {
      const started = clock.mono();
      const accept = acceptOf(c.req.header("accept"));
      try {
        const body = await bodyOf(c);
        const why = deps.refusal(c.req.raw, body);
        if (why !== undefined) return problem(c, accept, new ImError("UNAUTHORIZED", why), 401);
        const content = contentOfType(c.req.header("content-type"), body);
        const answer = await run(c, read(content, request, body));
        return c.body(Uint8Array.from(encodeAs(accept, response, answer)), 200, { "content-type": TYPE[accept] });
      } catch (thrown) {
        const error = ImError.from(thrown, "Cannot answer: the store failed");
        if (httpStatus(error) >= 500) log.warn("store request failed", { path, error });
        return problem(c, accept, error, httpStatus(error));
      } finally {
        measured.observe((clock.mono() - started) / 1000);
      }
    });
  };
  for (const { path, request, response, run } of CALLS) {
    route("POST", path, request, response, (_c, message) => run(deps.store, message, clock.mono()));
  }
  for (const one of kimRoutes(deps.store, clock)) route(one.method, one.path, one.request, one.response, one.run);
  app.notFound((c) =>
    problem(c, acceptOf(c.req.header("accept")), new ImError("NOT_IMPLEMENTED", "No such path"), 404)
  );
  return app;
}

async function bodyOf(c: Context): Promise<Uint8Array> {
  const length = Number(c.req.header("content-length") ?? 0);
  if (length > MOST_BYTES) throw tooLarge(length);
  const body = new Uint8Array(await c.req.arrayBuffer());
  if (body.length > MOST_BYTES) throw tooLarge(body.length);
  return body;
}

/** @throws {ImError} INVALID_BODY */
function read<T>(content: Content, type: BodyType<T>, body: Uint8Array): T {
  try {
    return decodeAs(content, type, body);
  } catch (thrown) {
    throw new ImError("INVALID_BODY", ImError.from(thrown).message, { cause: thrown });
  }
}

function tooLarge(bytes: number): ImError {
  return new ImError("FRAME_TOO_LARGE", `Cannot read request: it has ${bytes} bytes, limit is ${MOST_BYTES}`);
}

function httpStatus(error: ImError): 400 | 404 | 409 | 413 | 500 | 503 {
  if (error.code === "INVALID_BODY") return 400;
  if (error.code === "NO_DESTINATION") return 404;
  if (error.code === "DUPLICATE_ID" || error.code === "UNAUTHORIZED") return 409;
  if (error.code === "FRAME_TOO_LARGE") return 413;
  return error.code === "BUSY" ? 503 : 500;
}

function problem(
  c: Context,
  accept: Content,
  error: ImError,
  status: 400 | 401 | 404 | 409 | 413 | 500 | 503,
): Response {
  const body = encodeAs(accept, rpc.ErrorBody, { code: error.code, message: error.message });
  return c.body(Uint8Array.from(body), status, { "content-type": TYPE[accept] });
}
