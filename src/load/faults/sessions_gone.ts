import { now } from "../wire_inbox.ts";
import type { FaultSystem } from "./fault_system.ts";

const LOOK_MS = 250;

/** Watches how long the sessions of a killed gateway count: until its lease is gone. */
export class SessionsGone {
  readonly goneMs: number[] = [];
  readonly #system: FaultSystem;
  #leases: ReadonlySet<string> = new Set();
  #killed: { readonly atMs: number; readonly before: ReadonlySet<string> } | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #asking = false;

  constructor(system: FaultSystem) {
    this.#system = system;
    if (system.gatewayLeases !== undefined) this.#timer = setInterval(() => void this.#look(), LOOK_MS);
  }

  /** A gateway is killed now. */
  killed(): void {
    this.#killed = { atMs: now(), before: this.#leases };
  }

  /** Leases may vanish for another reason now: what is measured is not told. */
  disturbed(): void {
    this.#killed = undefined;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      const leases = this.#leases = await this.#system.gatewayLeases!();
      const gone = [...this.#killed?.before ?? []].filter((one) => !leases.has(one)).length;
      if (gone === 1) this.goneMs.push(Math.round(now() - this.#killed!.atMs));
      if (gone > 0) this.#killed = undefined;
    } catch {
      // Redis is killed or paused
    } finally {
      this.#asking = false;
    }
  }
}
