import { wait } from "../pool.ts";
import type { FaultSystem } from "./fault_system.ts";
import { type FaultTarget, pickTarget, targetNamed } from "./fault_target.ts";
import type { FaultProxy } from "./fault_proxy.ts";
import { faultName, faultText, type PlannedFault } from "./plan.ts";

export interface DriverEvents {
  /** A fault begins now. */
  began(fault: PlannedFault, text: string): void;
}

/** Does what a plan says to a system, while it is allowed to. */
export class FaultDriver {
  /** How often each fault was done and was over, by its name: `kill logic`. */
  readonly done = new Map<string, number>();
  /** What could not be done or undone. The run is over then. */
  failure = "";
  readonly #system: FaultSystem;
  readonly #events: DriverEvents;
  readonly #running = new Map<object, Promise<void>>();
  #allowed = false;
  #over = false;
  #latest: Promise<void> = Promise.resolve();
  #all = 0;

  constructor(system: FaultSystem, events: DriverEvents) {
    this.#system = system;
    this.#events = events;
  }

  /** Faults that are over. */
  get count(): number {
    return this.#all;
  }

  /** New faults may begin. */
  allow(): void {
    this.#allowed = true;
  }

  /** No new ones; resolves when all are over. */
  async calm(): Promise<void> {
    this.#allowed = false;
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  async stop(): Promise<void> {
    this.#over = true;
    await this.calm();
  }

  /** Goes through the plan until `stop`, its end or a failure. Never rejects. */
  async follow(plan: Iterable<PlannedFault>): Promise<void> {
    for (const fault of plan) {
      if (!fault.together) await this.#latest;
      await this.#waitAllowed(fault.waitMs);
      if (this.#over || this.failure !== "") return;
      const subject = this.#subject(fault);
      // The same server is not hit twice at once.
      for (let before = this.#running.get(subject); before; before = this.#running.get(subject)) await before;
      if (!this.#allowed) await this.#waitAllowed(0);
      if (this.#over) return;
      this.#begin(fault, subject);
    }
  }

  #begin(fault: PlannedFault, subject: FaultTarget | FaultProxy): void {
    const named = "name" in subject ? ` [${subject.name}]` : "";
    this.#events.began(fault, `${faultText(fault)}${named}`);
    const job = this.#strike(fault, subject).then(
      () => {
        const name = faultName(fault);
        this.done.set(name, (this.done.get(name) ?? 0) + 1);
        this.#all++;
      },
      (error: unknown) => this.failure ||= `${faultText(fault).trim()}: ${(error as Error).message}`,
    ).then(() => {
      if (this.#running.get(subject) === job) this.#running.delete(subject);
    });
    this.#running.set(subject, job);
    this.#latest = job;
  }

  async #waitAllowed(ms: number): Promise<void> {
    let left = ms;
    while (!this.#over && (left > 0 || !this.#allowed)) {
      const step = this.#allowed ? Math.min(left, 50) : 50;
      await wait(step);
      if (this.#allowed) left -= step;
    }
  }

  /** What is hit. @throws {Error} there is none: the plan was made for another system. */
  #subject(fault: PlannedFault): FaultTarget | FaultProxy {
    const { targets, links } = this.#system;
    switch (fault.kind) {
      case "restart":
        return targetNamed(targets, fault.role);
      case "kill":
      case "pause":
        return pickTarget(targets, fault.role, fault.kind, fault.pick);
      case "clock":
        return pickTarget(targets, fault.role, "shiftClock", fault.pick);
      case "flush":
        return pickTarget(targets, targets.find((one) => one.flush !== undefined)?.role ?? "", "flush", fault.pick);
      case "cut": {
        const proxies = links.find(({ kind }) => kind === fault.link)?.proxies;
        return proxies?.[Math.floor(fault.pick * proxies.length)] ?? pickTarget(targets, fault.link, "cut", fault.pick);
      }
    }
  }

  async #strike(fault: PlannedFault, subject: FaultTarget | FaultProxy): Promise<void> {
    if (!("name" in subject)) return fault.kind === "cut" ? await subject.cut(fault.way, fault.forMs) : undefined;
    switch (fault.kind) {
      case "kill":
        await subject.kill!();
        await wait(fault.forMs);
        return await subject.start!();
      case "pause":
        await subject.pause!();
        await wait(fault.forMs);
        return await subject.resume!();
      case "clock":
        await subject.shiftClock!(fault.shiftMs);
        await wait(fault.forMs);
        return await subject.shiftClock!(0);
      case "cut":
        await subject.cut!();
        await wait(fault.forMs);
        return await subject.heal!();
      case "flush":
        return await subject.flush!();
      case "restart":
        return await subject.restart!();
    }
  }
}
