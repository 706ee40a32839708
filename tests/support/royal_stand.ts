import { hmacSha256, serveHttp } from "#runtime";
import { systemClock } from "../../src/base/clock.ts";
import { silent } from "../../src/base/logger.ts";
import { Metrics } from "../../src/base/metrics.ts";
import type { Listening } from "../../src/comm/ports.ts";
import type { ImStore } from "../../src/message/message_store.ts";
import { RoomChanges } from "../../src/message/room_changes.ts";
import { RoyalStore } from "../../src/message/royal.ts";
import { signRequest } from "../../src/message/store_signature.ts";
import { admission } from "../../src/services/royal/admission.ts";
import { royalApp } from "../../src/services/royal/app.ts";

const hmac = hmacSha256("royal-test-secret");

/** An app that takes what `signed` signs. */
export function testApp(store: ImStore, options: { isPeer?: (ip: string) => boolean; changes?: RoomChanges } = {}) {
  const { isPeer, changes = new RoomChanges("test") } = options;
  const admit = admission({ clock: systemClock, hmac, isPeer });
  return royalApp({ store, clock: systemClock, log: silent, metrics: new Metrics(), admit, changes });
}

/** Signs with the tests' secret. */
export function signed(request: { method: string; path: string; body: Uint8Array }, timeMs = Date.now()): string {
  return signRequest(hmac, timeMs, request);
}

/** A royal store and, behind HTTP, what keeps its messages: both end together. */
export class RoyalStand extends RoyalStore {
  readonly behind: ImStore;
  readonly #http: Listening | undefined;

  private constructor(behind: ImStore, url: string, memory: typeof fetch | undefined, http: Listening | undefined) {
    super({ url, sign: signed, ...(memory && { fetch: memory }) });
    this.behind = behind;
    this.#http = http;
  }

  /** Over a socket of this machine. */
  static async overHttp(behind: ImStore): Promise<RoyalStand> {
    const app = testApp(behind);
    const http = await serveHttp({ hostname: "127.0.0.1", port: 0 }, (request, env) => app.fetch(request, env));
    return new RoyalStand(behind, http.url, undefined, http);
  }

  /** Without a socket. */
  static inMemory(behind: ImStore): RoyalStand {
    const app = testApp(behind);
    const memory = (input: string | URL | Request, init?: RequestInit) =>
      Promise.resolve(app.request(`${input}`, init));
    return new RoyalStand(behind, "http://royal.test", Object.assign(memory, { preconnect: () => {} }), undefined);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    await this.#http?.[Symbol.asyncDispose]();
    await this.behind[Symbol.asyncDispose]();
  }
}
