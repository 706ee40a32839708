import { describe, expect, test } from "bun:test";
import { type ErrorCode, ImError } from "../../base/errors.ts";
import { FakeClock } from "../../base/fake_clock.ts";
import { silent } from "../../base/logger.ts";
import { Metrics } from "../../base/metrics.ts";
import { limit } from "../../command/middleware/limit.ts";
import { recover } from "../../command/middleware/recover.ts";
import { CommandRouter } from "../../command/router.ts";
import type { Downlink, Downward, Upward } from "../../container/link.ts";
import { COMMANDS } from "../../protocol/commands.ts";
import { makeHeader } from "../../protocol/header.ts";
import { NO_BODY } from "../../protocol/packet.ts";
import { STATUS } from "../../protocol/status.ts";
import type { LogicDeps } from "./deps.ts";
import { LogicServer } from "./logic.ts";

/** A logic server whose only handler ends when the test says how; its gateway is the test. */
function stand() {
  const waiting: PromiseWithResolvers<void>[] = [];
  const router = new CommandRouter(recover(silent, () => NO_BODY)).add(COMMANDS.userTalk, async () => {
    const one = Promise.withResolvers<void>();
    waiting.push(one);
    await one.promise;
    return {};
  }, limit(1, "taken"));
  const deps = { clock: new FakeClock(), log: silent, metrics: new Metrics() } as unknown as LogicDeps; // all it needs
  const logic = new LogicServer(deps, router);
  const link = (incarnation = "") => {
    const sent: Downward[] = [];
    const end: Downlink = { peerId: "gw", incarnation, send: (packet: Downward) => sent.push(packet) > 0 };
    logic.attach(end);
    return { end, statuses: () => sent.map((one) => one.header.status) };
  };
  return { logic, link, waiting };
}

function talk(over: Partial<Upward> = {}): Upward {
  return {
    header: makeHeader("chat.user.talk", { channelId: "gw_c1", sequence: 1, dest: "bob" }),
    body: NO_BODY,
    app: "kim",
    account: "ann",
    device: "",
    caps: true,
    content: "protobuf",
    gateId: "gw",
    key: { scope: "gw_c1", n: 1, low: 1 },
    startBy: Infinity,
    again: false,
    ...over,
  };
}

const fail = (code: ErrorCode) => new ImError(code, "in a test");

describe("LogicServer", () => {
  test("gives no answer when its store is closed: what became of the request is for the next server to tell", async () => {
    const { logic, link, waiting } = stand();
    const one = link();
    for (const request of [talk(), talk({ again: true }), talk({ key: undefined })]) {
      logic.up(request, one.end);
      waiting.at(-1)!.reject(fail("CLOSED"));
      await logic.drained();
    }
    expect(one.statuses()).toEqual([STATUS.SYSTEM.wire]); // without a key it is asked only here
  });

  test("a first copy's refusal does not overtake the second: on a newer link only what is final is said", async () => {
    const { logic, link, waiting } = stand();
    const old = link();
    logic.up(talk(), old.end);
    logic.up(talk({ again: true }), old.end);
    const [first, second] = waiting;
    const newer = link();
    first!.reject(fail("BUSY"));
    second!.reject(fail("BUSY"));
    await logic.drained();
    logic.up(talk(), old.end);
    waiting.at(-1)!.resolve();
    await logic.drained();
    expect([old.statuses(), newer.statuses()]).toEqual([[], [STATUS.BUSY.wire, STATUS.SUCCESS.wire]]);
  });

  test("a login's first copy does not refuse the second either", async () => {
    const { logic, link, waiting } = stand();
    const old = link();
    logic.up(talk({ key: undefined }), old.end); // logins have no key
    const newer = link();
    waiting[0]!.reject(fail("CLOSED"));
    await logic.drained();
    expect([old.statuses(), newer.statuses()]).toEqual([[], []]);
  });

  test("another run of a gateway is not given the answers of the last one: it counts its own requests anew", async () => {
    const { logic, link, waiting } = stand();
    const old = link("run1");
    const header = makeHeader("chat.user.talk", { sequence: 1, dest: "bob" });
    logic.up(talk({ header }), old.end);
    logic.closed(old.end);
    const newer = link("run2");
    waiting[0]!.resolve();
    await logic.drained();
    expect(newer.statuses()).toEqual([]);
  });

  test("a limit is not for requests that were forwarded before", async () => {
    const { logic, link, waiting } = stand();
    const one = link();
    logic.up(talk(), one.end);
    logic.up(talk(), one.end);
    logic.up(talk({ again: true }), one.end);
    expect(waiting.length).toBe(2);
    for (const end of waiting) end.resolve();
    await logic.drained();
    expect(one.statuses().sort()).toEqual([0, 0, STATUS.BUSY.wire]);
  });
});
