import { z } from "zod";
import { ImError } from "../../base/errors.ts";
import { fromBase36 } from "../../protocol/base36.ts";
import { isName } from "../../protocol/names.ts";
import type { Ask } from "./asks.ts";

/** A request to one route, before it is read. */
export interface RawCall {
  /** Of the path, as it is in the URL, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  /** Parsed JSON; undefined: none. */
  readonly body: unknown;
}

/** A request to one route, checked. */
export interface Call<Query, Body> {
  readonly app: string;
  /** `:account` of the path: a legal name. */
  readonly account: string;
  /** `:id` of the path: a group id. */
  readonly id: string;
  readonly query: Query;
  readonly body: Body;
}

/** What routes are made with. */
export type AskLogic = <Req, Res>(ask: Ask<Req, Res>) => Promise<Res>;

/** What the app and its OpenAPI description are made of. */
export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** `/api/v1/:app/…` */
  readonly path: string;
  readonly summary: string;
  /** What else a caller has to know. */
  readonly about: string;
  readonly query: z.ZodObject;
  /** Undefined: no body is read. */
  readonly body: z.ZodType | undefined;
  readonly status: 200 | 201 | 204;
  /** Undefined: there is none (204). */
  readonly answer: z.ZodType | undefined;
  /** @throws {ImError} */
  readonly handle: (call: RawCall) => Promise<unknown>;
}

/** A route as it is written down. */
interface Written<Query, Body, Answer> extends Pick<Route, "method" | "summary" | "status"> {
  /** Behind `/api/v1/:app/`. */
  readonly path: string;
  readonly about?: string;
  readonly query: z.ZodObject & z.ZodType<Query>;
  readonly body: z.ZodType<Body>;
  readonly answer: z.ZodType<Answer>;
  readonly run: (call: Call<Query, Body>) => Promise<NoInfer<Answer>>;
}

/** Of a route that takes no query, no body, or answers without one. */
export const NO_QUERY: z.ZodObject<Record<never, never>> = z.strictObject({});
export const NOTHING: z.ZodVoid = z.void();

export function route<Query, Body, Answer>(
  { path, about = "", query, body, answer, run, ...rest }: Written<Query, Body, Answer>,
): Route {
  const something = (schema: z.ZodType) => schema === NOTHING ? undefined : schema;
  return {
    ...rest,
    path: `/api/v1/:app/${path}`,
    about,
    query,
    body: something(body),
    answer: something(answer),
    handle: async (raw) =>
      await run({
        app: nameOf(raw.params, "app"),
        account: nameOf(raw.params, "account"),
        id: idOf(raw.params),
        query: checked("query", query, raw.query),
        body: checked("body", body, raw.body),
      }),
  };
}

/** @throws {ImError} INVALID_BODY with all that is wrong. */
function checked<T>(what: string, schema: z.ZodType<T>, value: unknown): T {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  const issues = read.error.issues.map(({ path, message }) =>
    path.length > 0 ? `${path.join(".")}: ${message}` : message
  );
  throw new ImError("INVALID_BODY", `Cannot read ${what}: ${issues.join("; ").slice(0, 500)}`);
}

function nameOf(params: Readonly<Record<string, string>>, which: "app" | "account"): string {
  const name = params[which];
  if (name === undefined) return "";
  if (!isName(name)) throw new ImError("INVALID_BODY", `Cannot read path: ${which} is not a legal name`);
  return name;
}

function idOf({ id }: Readonly<Record<string, string>>): string {
  if (id === undefined) return "";
  if (fromBase36(id) === undefined) throw new ImError("INVALID_BODY", "Cannot read path: that is not a group id");
  return id;
}
