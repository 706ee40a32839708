import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { systemClock } from "../../src/base/clock.ts";
import { ImError } from "../../src/base/errors.ts";
import { silent } from "../../src/base/logger.ts";
import { Metrics } from "../../src/base/metrics.ts";
import { limit } from "../../src/command/middleware/limit.ts";
import { recover } from "../../src/command/middleware/recover.ts";
import { CommandRouter } from "../../src/command/router.ts";
import type { CommandContext } from "../../src/command/context.ts";
import { decodeBody, EMPTY } from "../../src/protocol/bodies.ts";
import { COMMANDS } from "../../src/protocol/commands.ts";
import { encodeAs } from "../../src/protocol/content.ts";
import * as pkt from "../../src/protocol/gen/pkt_messages.ts";
import { makeHeader } from "../../src/protocol/header.ts";
import { NO_BODY } from "../../src/protocol/packet.ts";
import type { LogicDeps } from "../../src/services/logic/deps.ts";
import { Receipts } from "../../src/services/logic/receipts.ts";
import { logicRoutes } from "../../src/services/logic/routes.ts";

const names = Object.values(COMMANDS).map((command) => command.name).sort();

test("every command has a handler, and every handler a command", () => {
  const deps = { clock: systemClock, log: silent, metrics: new Metrics() } as LogicDeps;
  expect(logicRoutes(deps, new Receipts(deps.clock, deps.metrics)).commands()).toEqual(names);
});

test("every command stands in a vector", () => {
  const folder = new URL("../vectors/", import.meta.url);
  const vectors = readdirSync(folder).filter((name) => name.endsWith(".json"))
    .map((name) => readFileSync(new URL(name, folder), "utf8")).join("\n");
  expect(names.filter((name) => !vectors.includes(`"${name}"`))).toEqual([]);
});

const route = { name: "chat.test", request: EMPTY, response: EMPTY };
const context = (command = "chat.test") =>
  ({
    header: makeHeader(command),
    status: 0,
    pos: 0,
    app: "kim",
    account: "ann",
    content: "protobuf",
  }) as CommandContext;
const recovering = () => recover(silent, (content, message) => encodeAs(content, pkt.ErrorResp, { message }));

test("registering a command twice fails at start", () => {
  const router = new CommandRouter().add(route, async () => ({}));
  expect(() => router.add(route, async () => ({}))).toThrow("Cannot add command chat.test: it has a handler already");
});

test("middleware runs outside in: the router's, then the command's, then the handler", async () => {
  const order: string[] = [];
  const mark = (name: string) => async (_ctx: CommandContext, next: () => Promise<Uint8Array>) => {
    order.push(`${name} in`);
    const body = await next();
    order.push(`${name} out`);
    return body;
  };
  const router = new CommandRouter(mark("router")).add(route, async () => {
    order.push("handler");
    return {};
  }, mark("command"));
  await router.run(context(), NO_BODY);
  expect(order).toEqual(["router in", "command in", "handler", "command out", "router out"]);
});

test.each([
  [
    "what the request did wrong is told",
    new ImError("NO_DESTINATION", "Cannot talk: dest is empty"),
    100,
    "Cannot talk: dest is empty",
  ],
  [
    "a body that does not parse is 101",
    new ImError("BODY_INVALID", "Cannot read MessageReq: 3 bytes"),
    101,
    "Cannot read MessageReq: 3 bytes",
  ],
  [
    "what broke behind the handler is told neutrally",
    new Error("password=hunter2"),
    300,
    "Cannot do this now: try again",
  ],
])("an error becomes a reply: %s", async (_name, thrown, status, message) => {
  const router = new CommandRouter(recovering()).add(route, () => Promise.reject(thrown));
  const ctx = context();
  expect(decodeBody(pkt.ErrorResp, await router.run(ctx, NO_BODY)).message).toBe(message);
  expect(ctx.status).toBe(status);
});

test.each<[string, Error, string[]]>([
  ["what it needs is not there", new ImError("SYSTEM", "Cannot ask the database: gone"), ["warn"]],
  ["a defect", new TypeError("x is undefined"), ["error"]],
  ["a bad request", new ImError("INVALID_BODY", "Cannot talk: too long"), []],
])("a failure is logged for what it is: %s", async (_name, thrown, levels) => {
  const said: string[] = [];
  const log = { ...silent, warn: () => void said.push("warn"), error: () => void said.push("error") };
  await new CommandRouter(recover(log, () => NO_BODY)).add(route, () => Promise.reject(thrown)).run(context(), NO_BODY);
  expect(said).toEqual(levels);
});

test("an unknown command is 301", async () => {
  const ctx = context("chat.unknown");
  const body = await new CommandRouter(recovering()).run(ctx, NO_BODY);
  expect([ctx.status, decodeBody(pkt.ErrorResp, body).message]).toEqual([301, "NotImplemented"]);
});

test("a limit answers BUSY at once and takes requests again afterwards", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const router = new CommandRouter(recovering()).add(route, async () => {
    await promise;
    return {};
  }, limit(1));
  const first = router.run(context(), NO_BODY);
  const second = context();
  await router.run(second, NO_BODY);
  expect(second.status).toBe(302);
  resolve();
  await first;
  const third = context();
  await router.run(third, NO_BODY);
  expect(third.status).toBe(0);
});
