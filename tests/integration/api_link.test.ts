import { expect, test } from "bun:test";
import * as runtime from "#runtime";
import { systemClock } from "../../src/base/clock.ts";
import { silent } from "../../src/base/logger.ts";
import { Metrics } from "../../src/base/metrics.ts";
import type { Downward, Uplink } from "../../src/container/link.ts";
import { LinkClient } from "../../src/container/tcp/link_client.ts";
import { LinkServer } from "../../src/container/tcp/link_server.ts";
import { ApiStand } from "../support/api_stand.ts";
import { until } from "../support/until.ts";

const sign = runtime.hmacSha256("the cluster's secret");

/** A logic server of the stand that listens for links, and the API's link to it. */
async function server(stand: ApiStand, logicId: string) {
  const stack = new AsyncDisposableStack();
  const around = { clock: systemClock, log: silent, sign };
  const links = stack.use(
    new LinkServer({ serviceId: logicId }, { ...around, metrics: new Metrics(), logic: stand.logic.logic }),
  );
  const listening = await runtime.listenTcp({ hostname: "127.0.0.1", port: 0 }, links.accept);
  links.listening(listening);
  const { api } = stand;
  let linked = false;
  const gateway = {
    attach: (link: Uplink) => (linked = true, api.attach(link)),
    down: (packet: Downward) => api.down(packet),
    changed: (link: Uplink) => api.changed(link),
  };
  const client = new LinkClient(
    { gateId: "api01", incarnation: "run", logicId, url: listening.url },
    { ...around, dial: runtime.dial, random: Math.random, gateway },
  );
  client.start();
  await until(() => linked);
  return { links, [Symbol.asyncDispose]: () => stack.disposeAsync(), stop: () => client[Symbol.asyncDispose]() };
}

test("the API over TCP links: answers, groups without a member, and another server when one goes", async () => {
  await using stack = new AsyncDisposableStack();
  const stand = stack.use(await ApiStand.start());
  stand.link.cut();
  const one = await server(stand, "chat01");
  await until(() => stand.api.problem() === undefined);
  const made = await stand.ask("POST", "groups", { owner: "ann", name: "lunch", members: ["bob", "cid"] });
  const id = String(made.body["id"]);
  expect(made.status).toBe(201);
  const group = await stand.ask("GET", `groups/${id}`);
  expect(group.body).toMatchObject({ owner: "ann", memberCount: 3, large: true });
  // A large group's message is pushed to its room at every gateway, so here too: nobody's.
  for (let i = 1; i <= 3; i++) {
    expect((await stand.ask("POST", "messages", { from: "bob", group: id, body: `${i}` })).body["seq"]).toBe(i);
  }
  expect((await stand.ask("POST", `groups/${id}/members`, { account: "dan" })).status).toBe(204);
  const members = await stand.ask("GET", `groups/${id}/members?limit=2`);
  expect(members.body["memberCount"]).toBe(4);

  const two = stack.use(await server(stand, "chat02"));
  stack.defer(() => two.stop());
  const sent = Array.from(
    { length: 40 },
    (_, i) => stand.ask("POST", "messages", { from: `s${i}`, to: "ann", body: "x" }),
  );
  await one.stop();
  await one[Symbol.asyncDispose]();
  const told = await Promise.all(sent);
  expect(told.map(({ status, body }) => `${status} ${body["seq"]}`)).toEqual(new Array(40).fill("200 1"));
  expect((await stand.ask("GET", "accounts/ann/history?with=s7")).body["head"]).toBe(1);
});
