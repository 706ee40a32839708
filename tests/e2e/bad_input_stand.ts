import process from "node:process";
import { expect, test } from "bun:test";
import type { Labels } from "../../src/base/metrics.ts";
import type { DevConfig } from "../../src/cli/dev_system.ts";
import type { WireClient } from "../../src/load/wire_client.ts";
import type { CloseReason } from "../../src/protocol/close_reason.ts";
import { LocalSystem } from "../integration/system_local.ts";
import { tempDir } from "../support/temp.ts";
import { until } from "../support/until.ts";
import { Bystanders, type Figures, quantile } from "./bad_input_bystanders.ts";

/** Nobody else may stand still because of an attack: more than usual by so much is that. Speed is measured elsewhere. */
const MORE_MS = 1_000;
const NORMAL_MS = 2_000;
/** Of fewer messages p99 would be the one that met a busy machine. */
const FEW = 500;
/** An attack that is over sooner is made again, so that some messages of bystanders meet it. */
const ATTACK_MS = 80;

/** A counter of the server: name and labels. */
export type CounterName = readonly [name: string, labels?: Labels];
export const closes = ({ reason }: CloseReason): CounterName => ["petrel_closes_total", { reason }];
export const logins = (outcome: string): CounterName => ["petrel_logins_total", { outcome }];
export const replies = (status: string): CounterName => ["petrel_replies_total", { status }];
export const commands = (command: string, outcome: string): CounterName => [
  "petrel_commands_total",
  { command, outcome },
];
export const BAD_PACKETS: CounterName = ["petrel_bad_packets_total"];
export const REFUSED: CounterName = ["petrel_connections_refused_total"];

/** A dev system in this process, with bystanders whose usual latency was measured. */
export class Stand extends LocalSystem {
  bystanders!: Bystanders;
  /** Reply p99 of the bystanders with nobody else there, ms. */
  normalMs = 0;
  readonly kept: Figures[] = [];

  /** `normalMs`: how long the bystanders are alone. */
  static override async start(config: Partial<DevConfig> = {}, normalMs = NORMAL_MS): Promise<Stand> {
    const stand = new Stand(await tempDir(), config);
    await stand.restart();
    stand.bystanders = await Bystanders.start(stand);
    await wait(300); // code that runs for the first time is slow
    const end = stand.bystanders.stretch("nobody else");
    await wait(normalMs);
    const figures = await end();
    stand.normalMs = quantile(figures.latencies, 0.99);
    stand.kept.push(figures);
    return stand;
  }

  read([name, labels]: CounterName): number {
    return this.system.metrics.read(name, labels);
  }

  /** Runs something that must move these counters by exactly so much. */
  async counts(rows: readonly (readonly [CounterName, number])[], run: () => Promise<void>): Promise<void> {
    const before = rows.map(([counter]) => this.read(counter));
    await run();
    const moved = () => rows.map(([counter], i) => [counter, this.read(counter) - before[i]!]);
    const wanted = JSON.stringify(rows);
    await until(() => JSON.stringify(moved()) === wanted, "the counters moved", 4_000).catch(() => {});
    expect(moved()).toEqual(rows.map(([counter, by]) => [counter, by]));
  }

  /**
   * Runs an attack while the bystanders go on; they lose nothing, get nothing twice or out of order. When their p99 is
   * too high it is run once more, as the machine may have been busy; `judge` then decides over everything.
   */
  async attack(name: string, run: () => Promise<void>, mayRefuse = false): Promise<void> {
    for (let again = false;; again = true) {
      const end = this.bystanders.stretch(name);
      const untilMs = performance.now() + ATTACK_MS;
      do await run(); while (performance.now() < untilMs);
      const figures = await end();
      if (!mayRefuse) expect({ name, refused: figures.refused }).toEqual({ name, refused: 0 });
      const most = this.normalMs + MORE_MS;
      if (!again && quantile(figures.latencies, 0.99) > most) continue;
      expect(quantile(figures.latencies, 0.5)).toBeLessThan(most);
      this.kept.push(figures);
      return;
    }
  }

  /**
   * All that was measured: reply p99 (p90 of a few) says that nobody stood still. Then everything that was ever
   * answered is there.
   */
  async judge(): Promise<void> {
    if (process.env["BAD_INPUT_FIGURES"]) console.log(this.table());
    const all = this.kept.slice(1).flatMap(({ latencies }) => latencies);
    expect(quantile(all, all.length < FEW ? 0.9 : 0.99)).toBeLessThan(this.normalMs + MORE_MS);
    const verdict = await this.bystanders.verdict(this);
    expect({ clean: verdict.clean, faults: verdict.faults }).toMatchObject({ clean: true });
    expect(verdict.acked).toBeGreaterThan(0);
  }

  table(): string {
    const line = (name: string, latencies: readonly number[], refused: number) =>
      [latencies.length, ...[0.5, 0.99, 1].map((q) => quantile(latencies, q).toFixed(1)), refused]
        .map((cell) => String(cell).padStart(8)).join("") + `  ${name}`;
    const all = this.kept.slice(1);
    return [
      "       n     p50     p99     max refused",
      ...this.kept.map(({ name, latencies, refused }) => line(name, latencies, refused)),
      line("all attacks together", all.flatMap((one) => one.latencies), 0),
    ].join("\n");
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.bystanders?.[Symbol.asyncDispose]();
    await super[Symbol.asyncDispose]();
  }
}

/** Registers one attack as a test. The stand is made by a hook, so it is asked for when the test runs. */
export function attacks(stand: () => Stand) {
  return (name: string, run: (stand: Stand) => Promise<void>, limitMs = 15_000, mayRefuse = false): void =>
    test(name, () => stand().attack(name, () => run(stand()), mayRefuse), limitMs);
}
export type Attack = ReturnType<typeof attacks>;

/** How the server ended a connection must be this, as each transport tells it. */
export async function expectEnd(client: WireClient, why: CloseReason, timeoutMs = 5_000): Promise<void> {
  let said = "still open";
  void client.ended.then((text) => said = text);
  await until(() => said !== "still open", "the connection ended", timeoutMs).catch(() => {});
  if (client.conn.transport === "tcp") expect(said).toBe(`server said: ${why.reason}`);
  else expect(said.slice(0, 18)).toBe(`server said: ${why.code} `.slice(0, 18));
}

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
