import path from "node:path";
import { freePorts } from "../free_ports.ts";
import type { FaultTarget } from "./fault_target.ts";
import { RoleProcess } from "./role_process.ts";

/** How one server of a cluster is run; asked anew for every process that takes another's place. */
export interface ServerPlan {
  readonly name: string;
  readonly role: string;
  readonly command: string;
  /** Ports of its own that it needs. */
  readonly ports: number;
  /** A new process can serve while the old one still does. Otherwise a restart is a stop and a start. */
  readonly newFirst: boolean;
  /** Reads PETREL_FAULT. */
  readonly hasClock: boolean;
  readonly flush?: () => Promise<void>;
  /** `id` is the name, or another one for a later process. */
  run(ports: readonly number[], id: string): ServerRun;
}

export interface ServerRun {
  readonly arguments?: string;
  readonly env: Readonly<Record<string, string>>;
  readonly ready: () => Promise<boolean>;
  /** This one is the server now: proxies lead to it. */
  readonly adopted?: () => void;
}

/** A server of a cluster, whichever process is it. */
export class ClusterServer implements FaultTarget, AsyncDisposable {
  readonly name: string;
  readonly role: string;
  readonly flush?: () => Promise<void>;
  readonly shiftClock?: (ms: number) => Promise<void>;
  readonly restart?: () => Promise<void>;
  readonly #plan: ServerPlan;
  readonly #folder: string;
  readonly #clockFile: string;
  #process: RoleProcess;
  #generation = 0;
  /** What earlier processes did wrong. */
  readonly #problems: string[] = [];

  /** Starts it. `folder` gets its log. @throws {Error} it does not start. */
  static async start(plan: ServerPlan, folder: string): Promise<ClusterServer> {
    const server = new ClusterServer(plan, folder, await freePorts(plan.ports));
    try {
      await server.start();
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  private constructor(plan: ServerPlan, folder: string, ports: readonly number[]) {
    this.name = plan.name;
    this.role = plan.role;
    this.#plan = plan;
    this.#folder = folder;
    this.#clockFile = path.join(folder, `${plan.name}.clock`);
    const { process, adopted } = this.#make(ports, plan.name);
    this.#process = process;
    adopted?.();
    if (plan.flush !== undefined) this.flush = plan.flush;
    if (process.shiftClock !== undefined) this.shiftClock = (ms) => this.#process.shiftClock!(ms);
    if (plan.hasClock) this.restart = () => this.#restart(); // ours: Redis and such are not restarted in turn
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  start(): Promise<void> {
    return this.#process.start();
  }

  kill(): Promise<void> {
    return this.#process.kill();
  }

  pause(): Promise<void> {
    return this.#process.pause();
  }

  resume(): Promise<void> {
    return this.#process.resume();
  }

  problems(): string[] {
    return [...this.#problems, ...this.#process.problems()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }

  async #restart(): Promise<void> {
    const old = this.#process;
    if (!this.#plan.newFirst) {
      await old.stop();
      return await old.start();
    }
    const generation = ++this.#generation;
    const { process, adopted } = this.#make(await freePorts(this.#plan.ports), `${this.name}-${generation}`);
    try {
      await process.start();
    } catch (error) {
      await process[Symbol.asyncDispose]();
      throw error;
    }
    this.#process = process;
    adopted?.();
    await old.stop();
    this.#problems.push(...old.problems());
  }

  #make(ports: readonly number[], id: string): { process: RoleProcess; adopted: (() => void) | undefined } {
    const { command, role, hasClock, run } = this.#plan;
    const { env, ready, adopted, arguments: words = "" } = run(ports, id);
    const process = new RoleProcess({
      name: id,
      role,
      command: `${command} ${words}`,
      env: { ...env, ...(hasClock ? { PETREL_FAULT: `clock=${this.#clockFile}` } : {}) },
      ready,
      clockFile: hasClock ? this.#clockFile : undefined,
      logFile: path.join(this.#folder, `${this.name}.log`),
    });
    return { process, adopted };
  }
}
