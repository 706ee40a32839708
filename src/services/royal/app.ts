import { type Context, Hono } from "hono";
import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Metrics } from "../../base/metrics.ts";
import { announcedBytes, readBody } from "../../comm/http_body.ts";
import type { HttpEnv } from "../../comm/ports.ts";
import type { ImStore } from "../../message/message_store.ts";
import type { RoomChanges } from "../../message/room_changes.ts";
import { CALLS } from "../../message/store_calls.ts";
import type { BodyType } from "../../protocol/bodies.ts";
import type { Content } from "../../protocol/body_codec.ts";
import { decodeAs, encodeAs } from "../../protocol/content.ts";
import * as rpc from "../../protocol/gen/rpc_messages.ts";
import type { Admission } from "./admission.ts";
import { acceptOf, contentOfType, TYPE } from "./content_type.ts";
import { kimRoutes } from "./kim.ts";
import { Requests } from "./requests.ts";

export interface RoyalDeps {
  readonly store: ImStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly admit: Admission;
  /** Why nothing can be stored now. Default: it can. */
  readonly problem?: () => string | undefined;
  /** Where changes of large groups are noted for our chat servers. */
  readonly changes: RoomChanges;
  /** Default: nobody waits for them. */
  readonly requests?: Requests;
}

type Env = { Bindings: HttpEnv };
/** Larger requests are refused. */
const MOST_BYTES = 16 << 20;

type Status = 400 | 401 | 403 | 404 | 409 | 413 | 415 | 500 | 503;

/**
 * The message and group store over HTTP: KIM's paths under `/api/:app` and Petrel's own under `/im`. Bodies in
 * protobuf, JSON or MessagePack by Content-Type and Accept. Errors are `ErrorBody` with 400, 401, 403, 404, 409, 413, 415,
 * 500 or 503. Source: proto/WIRE.md "Royal".
 */
export function royalApp(deps: RoyalDeps): Hono<Env> {
  const { clock, metrics, log, store, admit, changes, requests = new Requests() } = deps;
  const app = new Hono<Env>();
  const refused = metrics.counter("petrel_royal_refused_total", "Requests to the store whose caller was not let in");
  const route = <Req extends object>(
    method: "GET" | "POST" | "DELETE",
    path: string,
    request: BodyType<Req>,
    response: BodyType<object>,
    run: (c: Context<Env>, request: Req) => Promise<object>,
  ) => {
    const measured = metrics.histogram("petrel_royal_seconds", "Time of a request to the store", { path });
    const answer = async (c: Context<Env>, accept: Content): Promise<Response> => {
      // hot: per request
      const { pathname, search } = new URL(c.req.url);
      const admitted = admit({
        method,
        path: pathname + search,
        authorization: c.req.header("authorization"),
        remoteIp: c.env?.remoteIp,
      });
      if (typeof admitted === "object") return notAdmitted(c, accept, admitted.why);
      const content = contentOfType(c.req.header("content-type"));
      const body = await readBody(c.req.raw, MOST_BYTES);
      if (admitted !== "yes" && !admitted(body)) {
        return notAdmitted(c, accept, "Cannot answer: wrong signature; has it another PETREL_CLUSTER_SECRET?");
      }
      if (content === undefined && body.length > 0) {
        return problem(c, accept, new ImError("INVALID_BODY", "Cannot read request: its content type is unknown"), 415);
      }
      const made = await run(c, read(content ?? "protobuf", request, body));
      return c.body(Uint8Array.from(encodeAs(accept, response, made)), 200, { "content-type": TYPE[accept] });
    };
    const notAdmitted = (c: Context<Env>, accept: Content, why: string) => {
      refused.inc();
      log.debug("store request refused", { path, why, remote: c.env?.remoteIp });
      return problem(c, accept, new ImError("UNAUTHORIZED", why), 401);
    };
    app.on(method, path, async (c) => {
      const started = clock.mono();
      const accept = acceptOf(c.req.header("accept"));
      try {
        if (requests.stopping) throw new ImError("CLOSED", "Cannot answer: the store stops");
        return await requests.during(announcedBytes(c.req.raw, MOST_BYTES), () => answer(c, accept));
      } catch (thrown) {
        const error = ImError.from(thrown, "Cannot answer: the store failed");
        const status = httpStatus(error);
        if (status === 500) log.warn("store request failed", { path, error });
        return problem(c, accept, error, status);
      } finally {
        measured.observe((clock.mono() - started) / 1000);
      }
    });
  };
  const beside = { changes, problem: deps.problem ?? (() => undefined) };
  for (const { path, request, response, run } of CALLS) {
    route("POST", path, request, response, (_c, message) => run(store, message, clock.mono(), beside));
  }
  for (const one of kimRoutes(store, clock, changes)) route(one.method, one.path, one.request, one.response, one.run);
  app.notFound((c) =>
    problem(c, acceptOf(c.req.header("accept")), new ImError("NOT_IMPLEMENTED", "Cannot answer: no such path"), 404)
  );
  return app;
}

/** @throws {ImError} INVALID_BODY */
function read<T>(content: Content, type: BodyType<T>, body: Uint8Array): T {
  try {
    return decodeAs(content, type, body);
  } catch (thrown) {
    throw new ImError("INVALID_BODY", ImError.from(thrown).message, { cause: thrown });
  }
}

function httpStatus({ code }: ImError): Status {
  if (code === "INVALID_BODY") return 400;
  if (code === "UNAUTHORIZED") return 403;
  if (code === "NO_DESTINATION") return 404;
  if (code === "DUPLICATE_ID") return 409;
  if (code === "FRAME_TOO_LARGE") return 413;
  return code === "BUSY" || code === "CLOSED" ? 503 : 500;
}

function problem(c: Context<Env>, accept: Content, { code, message }: ImError, status: Status): Response {
  const body = encodeAs(accept, rpc.ErrorBody, { code, message });
  return c.body(Uint8Array.from(body), status, { "content-type": TYPE[accept] });
}
