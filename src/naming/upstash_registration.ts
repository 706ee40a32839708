import { reasonOf } from "../base/errors.ts";
import type { Upstash } from "../upstash/client.ts";
import { keyPart } from "../upstash/value.ts";
import { nameTaken } from "./instances.ts";
import type { Instance } from "./naming.ts";
import { DEREGISTER, readServer, REGISTER, SERVER_TTL_MS, type ServerKeys, serverText } from "./upstash_servers.ts";

/** One call of `register`, and what came of it. */
export class UpstashRegistration {
  readonly instance: Instance;
  readonly #upstash: Upstash;
  readonly #keys: ServerKeys;
  #problem: string | undefined;
  /** Monotonic ms until which others find it. */
  #foundUntilMs = -Infinity;
  #asking: Promise<void> = Promise.resolve();

  constructor(instance: Instance, upstash: Upstash, keys: ServerKeys) {
    this.instance = instance;
    this.#upstash = upstash;
    this.#keys = keys;
    this.#problem = "Cannot register: naming has not answered yet";
  }

  get problem(): string | undefined {
    return this.#upstash.clock.mono() < this.#foundUntilMs ? undefined : this.#problem;
  }

  /** Puts it in, or renews it. Never rejects. */
  renew(newEpoch: string): Promise<void> {
    return this.#asking = this.#renew(newEpoch);
  }

  async #renew(newEpoch: string): Promise<void> {
    const { instance } = this;
    const { clock, log } = this.#upstash;
    const { service, id } = instance;
    const before = this.#problem;
    let askedMs = clock.mono();
    try {
      const holder = await this.#upstash.ask<string>({
        what: `register ${service} ${id}`,
        repeat: false, // the next beat asks again
        command: () => {
          askedMs = clock.mono();
          return {
            script: REGISTER,
            keys: [this.#keys.server(instance), this.#keys.ids(service), this.#keys.epoch],
            args: [keyPart(id), keyPart(instance.incarnation), serverText(instance), SERVER_TTL_MS, newEpoch],
          };
        },
        read: (result) => typeof result === "string" ? result : undefined,
      });
      if (holder === "ok") {
        this.#problem = `Cannot register ${service} ${id}: it was not renewed in time`;
        this.#foundUntilMs = askedMs + SERVER_TTL_MS;
        return;
      }
      this.#foundUntilMs = -Infinity;
      this.#problem = nameTaken(instance, readServer(holder) ?? instance);
    } catch (thrown) {
      this.#problem = reasonOf(thrown);
    }
    if (this.#problem !== before && this.problem !== undefined) log.warn("not registered", { why: this.#problem });
  }

  /** Takes it out; when that cannot be asked, it is gone after its time. Never rejects. */
  async leave(): Promise<void> {
    await this.#asking; // one on its way would put it in again
    const { service, id, incarnation } = this.instance;
    this.#foundUntilMs = -Infinity;
    this.#problem = `Cannot register ${service} ${id}: it was taken out`;
    await this.#upstash.ask({
      what: `take out ${service} ${id}`,
      repeat: true,
      command: () => ({
        script: DEREGISTER,
        keys: [this.#keys.server(this.instance), this.#keys.ids(service)],
        args: [keyPart(id), keyPart(incarnation)],
      }),
      read: () => true,
    }).catch((error) => this.#upstash.log.warn("not taken out of naming: gone in 10 s", { service, id, error }));
  }
}
