import { z } from "zod";
import { PROBLEMS } from "./problem.ts";
import type { Route } from "./route.ts";

/** Where the description is. */
export const OPENAPI_PATH = "/api/v1/openapi.json";

const PARAMS: Readonly<Record<string, string>> = {
  app: "The app, as tokens have it",
  account: "An account's name",
  id: "A group's id",
};

/** The OpenAPI 3.1 description of the routes, made from what the app itself is made of. */
export function openapiOf(routes: readonly Route[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const one of routes) {
    const path = one.path.replace(/:(\w+)/g, "{$1}");
    (paths[path] ??= {})[one.method.toLowerCase()] = operationOf(one);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Petrel",
      version,
      description:
        "Messages, groups and tokens of a Petrel system. 64-bit numbers are decimal texts; a text's length counts code points.",
    },
    security: [{ key: [] }],
    paths,
    components: {
      securitySchemes: { key: { type: "http", scheme: "bearer", description: "PETREL_API_KEY of the server" } },
      schemas: {
        Problem: {
          type: "object",
          required: ["code", "message"],
          properties: { code: { type: "string", enum: Object.keys(PROBLEMS) }, message: { type: "string" } },
        },
      },
    },
  };
}

function operationOf({ method, path, summary, about, query, body, status, answer }: Route): Record<string, unknown> {
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name = ""]) => {
    return { name, in: "path", required: true, description: PARAMS[name], schema: { type: "string" } };
  });
  const schema = schemaOf(query, "input");
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  const inQuery = Object.entries(schema["properties"] ?? {}).map(([name, one]) => {
    return { name, in: "query", required: required.includes(name), schema: one };
  });
  return {
    operationId: `${method.toLowerCase()} ${path.slice("/api/v1/:app/".length)}`.replace(
      /\W+(\w?)/g,
      (_, next) => next.toUpperCase(),
    ),
    summary,
    ...(about && { description: about }),
    parameters: [...inPath, ...inQuery],
    ...(body && { requestBody: { required: true, content: json(schemaOf(body, "input")) } }),
    responses: {
      [status]: {
        description: answer ? "Done" : "Done, no body",
        ...(answer && { content: json(schemaOf(answer, "output")) }),
      },
      default: { description: "Not done; TIMEOUT: not known", content: json({ $ref: "#/components/schemas/Problem" }) },
    },
  };
}

function json(schema: unknown): Record<string, unknown> {
  return { "application/json": { schema } };
}

function schemaOf(schema: z.ZodType, io: "input" | "output"): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}
