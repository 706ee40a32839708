import { randomBytes } from "node:crypto";
import { Checker } from "../checker.ts";
import type { HistoryEvent } from "../history.ts";
import { HistoryMeter } from "../history_meter.ts";
import { wait } from "../pool.ts";
import { count } from "../talk_counts.ts";
import type { Timeline } from "../timeline.ts";
import { addedUp, FAULTS, type Verdict } from "../verdict.ts";
import { now } from "../wire_inbox.ts";
import { Crowd } from "./crowd.ts";
import type { Watcher } from "./crowd_member.ts";
import { FaultDriver } from "./fault_driver.ts";
import type { FaultSystem } from "./fault_system.ts";
import { cycleLength, faultName, planFaults, type PlanOptions } from "./plan.ts";
import { readInboxes } from "./read_inboxes.ts";
import { type Recovery, RecoveryMeter } from "./recovery.ts";
import { SessionsGone } from "./sessions_gone.ts";
import { judgeScreens, missingOn, newScreenVerdict, type ScreenRecord, type ScreenVerdict } from "./screen_judge.ts";

export interface FaultRunOptions {
  readonly plan: PlanOptions;
  readonly clients: number;
  readonly largeGroup: number;
  /** Each client knows one address only: with restarts alone, where one reconnect must be enough. */
  readonly oneAddress: boolean;
  /** Messages per second of all clients. */
  readonly rate: number;
  /** The run goes on until so many sends were acked and every fault of the plan's first cycle was done… */
  readonly acked: number;
  /** …or this time is over. */
  readonly mostSeconds: number;
  /** After so many acked sends everything is judged, and new accounts go on. */
  readonly ackedPerRound: number;
  /** How long to wait at the end of a round until all has come. */
  readonly waitMs: number;
  readonly say?: ((line: string) => void) | undefined;
  readonly record?: ((event: HistoryEvent) => void) | undefined;
  readonly timeline?: Timeline | undefined;
}

export interface FaultRunResult {
  readonly verdict: Verdict;
  readonly screens: ScreenVerdict;
  readonly recoveries: readonly Recovery[];
  /** How often each fault was done. */
  readonly done: ReadonlyMap<string, number>;
  readonly rounds: number;
  readonly logins: number;
  /** Connections lost, by why. */
  readonly lost: ReadonlyMap<string, number>;
  /** The most connections that one client lost. */
  readonly mostLost: number;
  /** Sends of our clients that failed for good, and of old ones that were refused, by why. */
  readonly failedOurs: ReadonlyMap<string, number>;
  readonly refusedOld: ReadonlyMap<string, number>;
  readonly heldBack: number;
  /** Messages that screens still lacked when a round was over and all inboxes had been read. */
  readonly late: number;
  /** How long the sessions of killed gateways counted. */
  readonly goneMs: readonly number[];
  readonly meter: HistoryMeter;
  readonly seconds: number;
  /** What else is wrong: a process that crashed, a client that closed, a send that was never answered. */
  readonly problems: readonly string[];
}

const PROGRESS_MS = 1_000;

/** Puts load on a system while faults are done to it, and judges round after round. */
export class FaultRun {
  readonly #options: FaultRunOptions;
  readonly #system: FaultSystem;
  readonly #driver: FaultDriver;
  readonly #meter: HistoryMeter;
  readonly #recovery = new RecoveryMeter();
  readonly #screens = newScreenVerdict();
  readonly #verdicts: Verdict[] = [];
  readonly #lost = new Map<string, number>();
  readonly #failedOurs = new Map<string, number>();
  readonly #refusedOld = new Map<string, number>();
  readonly #problems: string[] = [];
  readonly #run = randomBytes(3).toString("hex");
  readonly #startMs = now();
  readonly #gone: SessionsGone;
  #sentMs = new Map<string, number>();
  #lostBy = new Map<string, number>();
  #mostLost = 0;
  #logins = 0;
  #heldBack = 0;
  #late = 0;
  #crowd: Crowd | undefined;
  #checker = new Checker();

  constructor(options: FaultRunOptions, system: FaultSystem) {
    this.#options = options;
    this.#system = system;
    this.#meter = new HistoryMeter(options.timeline);
    options.timeline?.gauge("Clients online", "", "online", () => this.#crowd?.online);
    this.#gone = new SessionsGone(system);
    this.#driver = new FaultDriver(system, {
      began: (fault, text) => {
        options.say?.(`${this.#clock()}  fault ${text}`);
        options.timeline?.mark(text.trim());
        if (fault.kind === "kill" && fault.role.endsWith("gateway")) this.#gone.killed();
        else this.#gone.disturbed();
        const online = this.#crowd?.members.filter((one) => one.online) ?? [];
        this.#recovery.begin(faultName(fault), online, now());
      },
    });
  }

  /** @throws {Error} the system cannot be talked to at all. */
  async run(): Promise<FaultRunResult> {
    const { plan, timeline } = this.#options;
    timeline?.start();
    const following = this.#driver.follow(planFaults(plan));
    const progress = setInterval(() => this.#progress(), PROGRESS_MS);
    try {
      do await this.#round(); while (!this.#enough() && this.#problems.length === 0 && this.#meter.acked > 0);
    } finally {
      clearInterval(progress);
      await this.#driver.stop();
      await following;
      this.#gone.stop();
      await this.#crowd?.close();
      timeline?.stop();
    }
    return this.#result();
  }

  get #seconds(): number {
    return (now() - this.#startMs) / 1000;
  }
  #clock(): string {
    return `${this.#seconds.toFixed(1).padStart(6)} s`;
  }

  #enough(): boolean {
    const { acked, plan, mostSeconds } = this.#options;
    return this.#seconds >= mostSeconds || this.#meter.acked >= acked && this.#driver.count >= cycleLength(plan);
  }

  async #round(): Promise<void> {
    const { clients, largeGroup, oneAddress, plan, waitMs, ackedPerRound } = this.#options;
    this.#checker = new Checker();
    this.#sentMs = new Map();
    this.#lostBy = new Map();
    const number = this.#verdicts.length + 1, seed = plan.seed + number;
    const prefix = `${this.#run}r${number}`;
    const crowd = new Crowd({ clients, largeGroup, seed, prefix, oneAddress }, this.#system, this.#watcher());
    this.#crowd = crowd;
    await crowd.start();
    const until = this.#meter.acked + ackedPerRound;
    this.#driver.allow();
    await this.#talk(crowd, () => this.#enough() || this.#driver.failure !== "" || this.#meter.acked >= until);
    await this.#talk(crowd, this.#whenTrue(this.#driver.calm())); // what still lasts meets load, too
    if (!await crowd.settled(waitMs)) this.#tellUnsettled(crowd);
    this.#recovery.end(now());
    await this.#judge(crowd);
    for (const [account, lost] of this.#lostBy) {
      if (lost > this.#mostLost) this.#mostLost = lost;
      if (lost > (oneAddress ? 1 : 100)) this.#problems.push(`${account} lost its connection ${lost} times`);
    }
    for (const member of crowd.members) {
      this.#logins += member.logins;
      for (const [why, n] of member.failures) add(member.old ? this.#refusedOld : this.#failedOurs, why, n);
      if (member.closed !== "") this.#problems.push(`${member.account} closed: ${member.closed}`);
    }
    await crowd.close();
    this.#crowd = undefined;
    for (const [why, n] of this.#failedOurs) this.#problems.push(`${n} sends of our clients failed for good: ${why}`);
    if (this.#driver.failure !== "") this.#problems.push(this.#driver.failure);
    this.#problems.push(...this.#system.problems());
  }

  /** Open loop: what is due is said by whoever can. */
  async #talk(crowd: Crowd, done: () => boolean): Promise<void> {
    const { rate } = this.#options;
    const start = now();
    let said = 0;
    while (!done()) {
      const due = Math.floor((now() - start) * rate / 1000) + 1;
      this.#heldBack += crowd.talk(Math.min(due - said, rate));
      said = due;
      await wait(5);
    }
  }

  #whenTrue(promise: Promise<void>): () => boolean {
    let done = false;
    promise.finally(() => done = true);
    return () => done;
  }

  #watcher(): Watcher {
    const checker = this.#checker;
    return {
      record: (event) => {
        checker.add(event);
        this.#meter.record(event);
        this.#options.record?.(event);
        if (event.event !== "send") return;
        this.#sentMs.set(event.id, event.at);
        this.#recovery.sent(event.client, event.at);
      },
      acked: (member) => this.#recovery.acked(member.account, now()),
      shown: (member, id) => {
        const { account: client } = member;
        const at = now();
        this.#meter.record({ event: "screen", at, client, conn: client, messageId: "", id, sender: "" });
        this.#recovery.shown(client, this.#sentMs.get(id) ?? 0, at);
      },
      lost: (member, why) => {
        count(this.#lost, why);
        count(this.#lostBy, member.account);
        this.#recovery.lost(member.account, now());
      },
    };
  }

  #tellUnsettled(crowd: Crowd): void {
    const offline = crowd.members.filter((one) => !one.online).length;
    this.#problems.push(
      `${
        this.#options.waitMs / 1000
      } s after the last fault ${offline} clients are offline and ${crowd.waiting} sends have no answer`,
    );
  }

  async #judge(crowd: Crowd): Promise<void> {
    await wait(1_500); // heads are looked at once a second, and what comes now is twice
    const inboxes = await readInboxes(this.#system, crowd, (event) => {
      this.#checker.add(event);
      this.#options.record?.(event);
    });
    const records = crowd.members.map(({ account, screen }) => ({
      account,
      screen,
      inbox: inboxes.get(account) ?? [],
    }));
    this.#late += records.reduce((sum, record) => sum + missingOn(record), 0);
    await this.#screensFilled(records);
    judgeScreens(records, this.#screens);
    const verdict = this.#checker.finish();
    this.#verdicts.push(verdict);
    const faults = FAULTS.map((name) => `${name} ${verdict.faults[name].count}`).join(", ");
    this.#options.say?.(
      `${this.#clock()}  round ${this.#verdicts.length}: ${verdict.acked} acked, inboxes: ${faults}; screens: ` +
        Object.entries(this.#screens).map(([name, { count }]) => `${name} ${count}`).join(", "),
    );
  }

  async #screensFilled(records: readonly ScreenRecord[]): Promise<void> {
    const end = performance.now() + this.#options.waitMs;
    while (performance.now() < end && records.some((record) => missingOn(record) > 0)) await wait(500);
    await wait(300); // what comes now is twice
  }

  #before = { sent: 0, acked: 0, shown: 0 };

  #progress(): void {
    const { sent, acked, shown, refused } = this.#meter;
    const before = this.#before;
    this.#before = { sent, acked, shown };
    const crowd = this.#crowd;
    this.#options.say?.(
      `${this.#clock()}  sent ${sent - before.sent}/s  acked ${acked - before.acked}/s  shown ${
        shown - before.shown
      }/s  on the way ${crowd?.waiting ?? 0}  refused ${refused}  online ${crowd?.online ?? 0} of ${
        crowd?.members.length ?? 0
      }  acked in all ${acked}`,
    );
  }

  #result(): FaultRunResult {
    return {
      verdict: addedUp(this.#verdicts),
      screens: this.#screens,
      recoveries: this.#recovery.done,
      done: this.#driver.done,
      rounds: this.#verdicts.length,
      logins: this.#logins,
      lost: this.#lost,
      mostLost: this.#mostLost,
      failedOurs: this.#failedOurs,
      refusedOld: this.#refusedOld,
      heldBack: this.#heldBack,
      late: this.#late,
      goneMs: this.#gone.goneMs,
      meter: this.#meter,
      seconds: this.#seconds,
      problems: this.#problems,
    };
  }
}

function add<Key>(map: Map<Key, number>, key: Key, n: number): void {
  map.set(key, (map.get(key) ?? 0) + n);
}
