import { serveHttp } from "#runtime";
import { type Logger, silent } from "../../src/base/logger.ts";
import { ConsulNaming, type ConsulTimes } from "../../src/naming/consul.ts";
import type { Instance, Naming, Registration } from "../../src/naming/naming.ts";
import { until } from "../browser/until.ts";
import { testInstance } from "../contract/naming.ts";
import { ConsulStand, type ConsulStandOptions } from "./consul_stand.ts";

/** As much faster as the stand. */
export const QUICK: Partial<ConsulTimes> = {
  lookMs: 150,
  firstLookMs: 20,
  takenMs: 100,
  backoff: { baseMs: 25, maxMs: 200 },
  rateMs: 50,
  graceMs: 3_000,
};
/** Per test. */
export const LIMIT = { timeout: 60_000 };

/** Consul, servers whose health the test decides, and processes that may die. */
export class ConsulProcesses implements AsyncDisposable {
  readonly logged: string[] = [];
  readonly sick = new Set<string>();
  readonly log: Logger;
  consul!: ConsulStand;
  #health = "";
  readonly #stack = new AsyncDisposableStack();

  static async start(options: ConsulStandOptions = {}): Promise<ConsulProcesses> {
    const stand = new ConsulProcesses();
    const health = stand.#stack.use(
      await serveHttp({ hostname: "127.0.0.1", port: 0 }, (request) => {
        const id = new URL(request.url).pathname.slice(1);
        return new Response(id, { status: stand.sick.has(id) ? 503 : 200 });
      }),
    );
    stand.#health = `http://127.0.0.1:${health.port}`;
    stand.consul = stand.#stack.use(await ConsulStand.start(options));
    return stand;
  }

  private constructor() {
    const write = (message: string, fields?: object) => void this.logged.push(`${message} ${JSON.stringify(fields)}`);
    this.log = { ...silent, info: write, warn: write, error: write };
  }

  /** A process; `die` cuts it off without a word. */
  process(agent = 0, options: { token?: string; times?: Partial<ConsulTimes> } = {}): Naming & { die(): void } {
    let isDead = false;
    const cut = (...given: Parameters<typeof fetch>) => isDead ? Promise.reject(new Error("cut off")) : fetch(...given);
    const naming = new ConsulNaming({
      url: this.consul.url(agent),
      log: this.log,
      fetch: Object.assign(cut, { preconnect: () => {} }),
      ...options,
      times: { ...QUICK, ...options.times },
    });
    this.#stack.use(naming);
    return Object.assign(naming, { die: () => void (isDead = true) });
  }

  /** A server whose health is the one of its incarnation. */
  server(incarnation: string, more: Partial<Instance> = {}): Instance {
    const port = 1_000 + incarnation.charCodeAt(0);
    return testInstance({ incarnation, port, healthUrl: `${this.#health}/${incarnation}`, ...more });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack[Symbol.asyncDispose]();
  }
}

/** The incarnations of a list, joined by spaces. */
export function runs(list: readonly Instance[] | undefined): string {
  return list?.map(({ incarnation }) => incarnation).join(" ") ?? "nothing";
}

/** Waits until these runs of `chat` are found. */
export function found(naming: Naming, wanted: string): Promise<unknown> {
  return until(`found ${wanted}`, async () => runs(await naming.find("chat")), (got) => got === wanted);
}

/** Waits for a problem that says so; undefined: for none. */
export function problem(registration: Registration, part: string | undefined): Promise<unknown> {
  return until(
    `problem ${part}`,
    () => registration.problem,
    (text) => part === undefined ? text === undefined : text?.includes(part) === true,
  );
}

/** Subscribes to `chat`. */
export function watch(naming: Naming): { told: string[]; stop(): void } {
  const told: string[] = [];
  return { told, ...naming.subscribe("chat", (list) => told.push(runs(list))) };
}

/** Waits until these runs were told last. */
export function told(seen: { told: readonly string[] }, wanted: string): Promise<unknown> {
  return until(`told ${wanted}`, () => seen.told.at(-1), (got) => got === wanted);
}
