import { Backoff } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { type ConsulEntry, isLater, readAgentService, registrationOf } from "./consul_entry.ts";
import { askHealth, parseJson } from "./consul_health.ts";
import type { ConsulHttp } from "./consul_http.ts";
import { Pause } from "./consul_pause.ts";
import { nameTaken, sameInstances } from "./instances.ts";
import type { Instance, Registration } from "./naming.ts";

/** In ms, each up to a quarter more or less. */
export interface RegistrationTimes {
  /** Between looks whether Consul still has it. */
  readonly lookMs: number;
  /** From a registration to the look whether it is found. */
  readonly firstLookMs: number;
  /** Between looks whether a name that is taken is free. */
  readonly takenMs: number;
  /** After Consul was out of reach. */
  readonly backoff: { readonly baseMs: number; readonly maxMs: number };
}

export interface RegistrationDeps {
  readonly http: ConsulHttp;
  readonly clock: Clock;
  readonly log: Logger;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  readonly times: RegistrationTimes;
}

const LEAVE = { tries: 3, waitMs: 300, answerMs: 1_000 } as const;

/**
 * One server in Consul, put in again whenever it is missing: an agent that restarts may have forgotten it.
 *
 * Consul keeps no name for anybody, so runs of one id settle it among themselves, each by looking: before the first
 * registration a run of the same id that passes its checks at another address has the name; at our own address it must be
 * dead, because we listen there. Of two that are in, whoever came later stays: it came when the other was not there.
 */
export class ConsulRegistration implements Registration {
  readonly #instance: Instance;
  readonly #deps: RegistrationDeps;
  readonly #pause: Pause;
  readonly #stop = new AbortController();
  readonly #loop: Promise<void>;
  /** "lost": somebody came later. */
  #held: "never" | "yes" | "lost" = "never";
  #sinceMs = 0;
  /** Our id at the agent, once something was asked to be put in under it. */
  #consulId: string | undefined;
  #problem: string | undefined;
  #left: Promise<void> | undefined;

  constructor(instance: Instance, deps: RegistrationDeps) {
    this.#instance = instance;
    this.#deps = deps;
    this.#pause = new Pause(deps.clock);
    this.#problem = this.#cannot("Consul has not answered yet");
    this.#loop = this.#run();
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#left ??= this.#leave();
  }

  async #run(): Promise<void> {
    const { random, times } = this.#deps;
    const backoff = new Backoff(random, times.backoff);
    while (!this.#pause.stopped) {
      let waitMs: number;
      try {
        waitMs = await this.#look();
        backoff.reset();
      } catch (error) {
        if (this.#pause.stopped) return;
        this.#tell(this.#cannot(error instanceof ImError ? error.message : "naming failed"), error);
        waitMs = times.backoff.baseMs / 2 + backoff.next();
      }
      await this.#pause.wait(waitMs * (0.75 + random() / 2));
    }
  }

  /** Compares what Consul has with what it should have, and makes it so. How long to wait for the next look. */
  async #look(): Promise<number> {
    const { http, times } = this.#deps;
    const { service, id, incarnation, healthUrl } = this.#instance;
    const { entries } = await askHealth(http, service, {}, { signal: this.#stop.signal });
    const named = entries.filter(({ instance }) => instance.id === id);
    const own = named.find(({ instance }) => instance.incarnation === incarnation);
    const holder = named.find((entry) => entry !== own && entry.passes && this.#yieldsTo(entry));
    if (this.#pause.stopped) return 0;
    if (holder) {
      if (own) await this.#takeOut();
      this.#held = this.#held === "never" ? "never" : "lost";
      this.#tell(nameTaken(this.#instance, holder.instance));
      return times.takenMs;
    }
    if (!own || !sameInstances([own.instance], [this.#instance])) {
      await this.#putIn();
      return times.firstLookMs;
    }
    this.#tell(own.passes ? undefined : `${service} ${id} is registered, but not found: its check fails: ${healthUrl}`);
    return times.lookMs;
  }

  #yieldsTo(other: ConsulEntry): boolean {
    if (this.#held === "lost") return true;
    if (this.#held === "yes") return isLater(other, { sinceMs: this.#sinceMs, instance: this.#instance });
    return other.instance.host !== this.#instance.host || other.instance.port !== this.#instance.port;
  }

  async #putIn(): Promise<void> {
    const { http, clock } = this.#deps;
    const { service, id } = this.#instance;
    const there = await this.#atAgent(id);
    if (this.#pause.stopped) return;
    // Consul's ids are those of an agent, ours those of a service.
    const consulId = there && there.service !== service ? `${service}-${id}` : this.#consulId ?? id;
    this.#consulId = consulId;
    if (this.#held !== "yes") this.#sinceMs = Math.max(1, Math.floor(clock.now()));
    const body = registrationOf(this.#instance, consulId, this.#sinceMs);
    // Not ended by a stop: one that arrived late would stay in.
    await http.ask("PUT", "/v1/agent/service/register?replace-existing-checks=true", { body });
    this.#held = "yes";
  }

  /** What the agent has under this id. */
  async #atAgent(consulId: string, ms?: number): Promise<{ service: string; incarnation: string } | undefined> {
    const path = `/v1/agent/service/${encodeURIComponent(consulId)}`;
    const { status, text } = await this.#deps.http.ask("GET", path, ms === undefined ? {} : { ms });
    return status === 404 ? undefined : readAgentService(parseJson(text));
  }

  /** Takes our entry out, if it is still ours. */
  async #takeOut(ms?: number): Promise<void> {
    const consulId = this.#consulId;
    if (consulId === undefined) return;
    const there = await this.#atAgent(consulId, ms);
    const { service, incarnation } = this.#instance;
    if (there?.service !== service || there.incarnation !== incarnation) return;
    const path = `/v1/agent/service/deregister/${encodeURIComponent(consulId)}`;
    await this.#deps.http.ask("PUT", path, ms === undefined ? {} : { ms });
  }

  async #leave(): Promise<void> {
    const { clock, log } = this.#deps;
    this.#pause.stop();
    this.#stop.abort();
    await this.#loop;
    this.#problem = this.#cannot("it was taken out");
    for (let tries = 1;; tries++) {
      try {
        return await this.#takeOut(LEAVE.answerMs);
      } catch (error) {
        const { service, id } = this.#instance;
        // Its check fails from now on: nobody finds it after 10 s, and Consul removes it after a minute.
        if (tries === LEAVE.tries) return log.warn("leaving naming failed", { service, id, error });
        await new Pause(clock).wait(LEAVE.waitMs);
      }
    }
  }

  #tell(problem: string | undefined, error?: unknown): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    const { service, id } = this.#instance;
    if (problem === undefined) this.#deps.log.info("registered in naming", { service, id });
    else {this.#deps.log.warn("not found in naming", {
        service,
        id,
        problem,
        ...(error === undefined ? undefined : { error }),
      });}
  }

  #cannot(why: string): string {
    return `Cannot register ${this.#instance.service} ${this.#instance.id}: ${why}`;
  }
}
