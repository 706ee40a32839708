import process from "node:process";
import { expect, test } from "bun:test";
import { dial } from "#runtime";
import { systemClock } from "../../src/base/clock.ts";
import { silent } from "../../src/base/logger.ts";
import type { LinkGateway, Uplink } from "../../src/container/link.ts";
import { LinkClient } from "../../src/container/tcp/link_client.ts";
import { makeHeader } from "../../src/protocol/header.ts";
import { NO_BODY } from "../../src/protocol/packet.ts";
import { type Child, startScript } from "../support/processes.ts";
import { until } from "../support/until.ts";

/** Gives nobody up, so that all it sends lies in the stopped process's sockets. */
const PATIENT = { pingMs: 800, deadMs: 120_000, fenceMs: Infinity };

/** The server's process with its links, and gateways that are linked to it. */
class Stand implements AsyncDisposable {
  readonly child: Child;
  readonly links: LinkClient[] = [];
  readonly #port: number;

  private constructor(child: Child, port: number) {
    this.child = child;
    this.#port = port;
  }

  static async start(): Promise<Stand> {
    const child = await startScript("tests/e2e/link_stall.fixture.ts");
    await until(() => child.stdout.includes("port "));
    return new Stand(child, Number(/port (\d+)/.exec(child.stdout)![1]));
  }

  async link(gateId: string): Promise<() => Uplink> {
    let up: Uplink | undefined;
    const gateway: LinkGateway = { attach: (link) => up = link, down: () => {}, changed: () => {} };
    const url = `tcp://127.0.0.1:${this.#port}`;
    const link = new LinkClient({ gateId, incarnation: "7", logicId: "chat01", url, pulse: PATIENT }, {
      clock: systemClock,
      log: silent,
      dial,
      random: Math.random,
      gateway,
    });
    this.links.push(link);
    link.start();
    await until(() => up !== undefined);
    return () => up!;
  }

  /** What the server was asked. */
  get requests(): Set<number> {
    return new Set([...this.child.stdout.matchAll(/request (\d+)/g)].map(([, n]) => Number(n)));
  }

  /** Asks until it arrived: on a busy machine links may be cut any time. */
  async asked(link: () => Uplink, gateId: string, sequence: number): Promise<void> {
    for (let tries = 0; !this.requests.has(sequence); tries++) {
      if (tries === 100) throw new Error(`Request ${sequence} did not arrive`);
      if (tries % 10 === 0) ask(link(), gateId, sequence);
      await sleep(100);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.links.map((link) => link.stop()));
    await this.child[Symbol.asyncDispose]();
  }
}

function ask(link: Uplink, gateId: string, sequence: number): boolean {
  return link.send({
    header: makeHeader("chat.user.talk", { channelId: `${gateId}_ann_1`, sequence, dest: "bob" }),
    body: NO_BODY,
    app: "kim",
    account: "ann",
    device: "",
    caps: true,
    content: "protobuf",
    gateId,
    key: { scope: `${gateId}_ann_1`, n: sequence, low: 1 },
    startBy: systemClock.mono() + 4_000,
    again: false,
  });
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test(
  "a logic server that was stopped carries out nothing of what waited in its sockets, and is linked again",
  async () => {
    await using at = await Stand.start();
    const [one, two] = [await at.link("gw1"), await at.link("gw2")];
    await at.asked(one, "gw1", 1);
    await at.asked(two, "gw2", 2);
    const [old] = [one()];
    process.kill(at.child.pid, "SIGSTOP");
    for (let n = 100; n < 400; n++) {
      expect(ask(n % 2 ? one() : two(), n % 2 ? "gw1" : "gw2", n)).toBe(true);
      await sleep(10);
    }
    await sleep(1_000);
    process.kill(at.child.pid, "SIGCONT");
    await until(() => old!.state === "closed" && one().state === "open" && two().state === "open");
    await at.asked(one, "gw1", 3);
    await at.asked(two, "gw2", 4);
    expect([...at.requests].sort((a, b) => a - b)).toEqual([1, 2, 3, 4]);
    expect(at.child.stdout).toContain("links cut: this process stood still");
  },
  60_000,
);
