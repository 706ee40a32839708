import { expect, test } from "bun:test";
import * as runtime from "#runtime";
import { z } from "zod";
import { PROBLEMS } from "../../src/services/api/problem.ts";
import { OPENAPI_PATH } from "../../src/services/api/openapi.ts";
import { ApiStand } from "../support/api_stand.ts";

type Schema = Parameters<typeof z.fromJSONSchema>[0];
interface Content {
  readonly content?: { readonly "application/json": { readonly schema: Schema & object } };
}
interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters: readonly { readonly name: string; readonly in: "path" | "query"; readonly required: boolean }[];
  readonly requestBody?: Content;
  readonly responses: Readonly<Record<string, Content>>;
}
interface Description {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: { readonly Problem: Schema & object } };
}

/** A request for each operation that can be carried out: what is in the path, then query and body. */
const SAMPLES: Readonly<Record<string, { readonly query?: Record<string, string>; readonly body?: object }>> = {
  postMessages: { body: { from: "ann", to: "bob", body: "hi", type: 1, extra: "x", clientMsgId: "1" } },
  getAccountsAccountConversations: { query: { limit: "10" } },
  getAccountsAccountHistory: { query: { with: "bob", limit: "10" } },
  postGroups: { body: { owner: "ann", name: "lunch", members: ["bob"] } },
  getGroupsId: {},
  getGroupsIdMembers: { query: { limit: "1" } },
  postGroupsIdMembers: { body: { account: "cid" } },
  deleteGroupsIdMembersAccount: {},
  getAccountsAccountOnline: {},
  postTokens: { body: { account: "ann" } },
};

test("the OpenAPI description tells the truth: every route is in it, and answers as it says", async () => {
  await using stand = await ApiStand.start({ hmac: runtime.hmacSha256("a secret") });
  const { status, body } = await stand.ask("GET", OPENAPI_PATH, undefined, { authorization: "" });
  expect(status).toBe(200);
  const { openapi, paths, components } = body as unknown as Description;
  expect(openapi).toBe("3.1.0");

  const registered = stand.api.app.routes.filter(({ method, path }) => method !== "ALL" && path !== OPENAPI_PATH);
  const described = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`)
  );
  expect(registered.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`).sort()).toEqual(
    described.sort(),
  );

  await stand.logic.online("ann");
  const { body: { id } } = await stand.ask("POST", "groups", { owner: "ann", name: "x", members: ["bob"] });
  const values: Readonly<Record<string, string>> = { app: "kim", account: "ann", id: String(id) };
  const ids = new Set<string>();
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const { operationId, parameters, requestBody, responses } = operation;
      ids.add(operationId);
      const sample = SAMPLES[operationId];
      if (!sample) throw new Error(`No sample for ${operationId}`);
      expect(operation.summary.length).toBeGreaterThan(5);
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(parameters.filter((one) => one.in === "path").map(({ name }) => name)).toEqual(inPath as string[]);
      const known = parameters.filter((one) => one.in === "query").map(({ name }) => name);
      for (const name of Object.keys(sample.query ?? {})) expect(known).toContain(name);
      expect(requestBody === undefined).toBe(sample.body === undefined);
      if (requestBody) checkedBy(requestBody.content!["application/json"].schema, sample.body);

      const url = path.replace(/\{(\w+)\}/g, (_, name: string) => values[name]!);
      const query = new URLSearchParams(sample.query).toString();
      const told = await stand.ask(method.toUpperCase(), query === "" ? url : `${url}?${query}`, sample.body);
      const [expected] = Object.keys(responses).filter((code) => code !== "default");
      expect(`${operationId} ${told.status}`).toBe(`${operationId} ${expected}`);
      const answer = responses[String(told.status)]!.content;
      if (answer) checkedBy(answer["application/json"].schema, told.body);
      else expect(told.body).toEqual({});

      const wrong = await stand.ask(method.toUpperCase(), `${url}?no-such=1`, requestBody && { noSuch: 1 });
      expect(wrong.status).toBe(400);
      checkedBy(components.schemas.Problem, wrong.body);
      expect(`${PROBLEMS[wrong.body["code"] as keyof typeof PROBLEMS]}`).toBe("400");
    }
  }
  expect([...ids].sort()).toEqual(Object.keys(SAMPLES).sort());
});

/** Throws when the value is not what the JSON schema says. */
function checkedBy(schema: Schema & object, value: unknown): void {
  z.fromJSONSchema(schema).parse(value);
}
