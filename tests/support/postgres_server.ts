import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, chown, cp, mkdir, rm } from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import postgres from "postgres";
import { freePort } from "./free_port.ts";
import { type Child, isRunning, start } from "./processes.ts";
import { type TempDir, tempDir } from "./temp.ts";

export interface PostgresServerOptions {
  /** false: faster, and a lost machine loses data; a killed server does not. Default false. */
  readonly fsync?: boolean | undefined;
  /** More of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
}

/** Debian keeps PostgreSQL's programs where no PATH finds them. */
const DEBIAN = "/usr/lib/postgresql";
/** The account that Debian's package makes: PostgreSQL refuses to run as root. */
const ACCOUNT = "postgres";
const USER = "petrel";
const START_MS = 60_000;

/** The folder with PostgreSQL's programs, the newest there is; undefined: none. */
export function postgresPrograms(): string | undefined {
  const debian = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...debian.map((version) => join(DEBIAN, version, "bin")), ...(process.env["PATH"] ?? "").split(":")];
  return folders.find((folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres")));
}

/** Why no server can be started here, for skipped tests; undefined: one can. */
export function whyNoPostgres(): string | undefined {
  if (postgresPrograms() === undefined) return "no PostgreSQL here (Debian: apt-get install postgresql)";
  if (process.getuid?.() === 0 && idOf("-u") === undefined) return `root, and no account ${ACCOUNT} to run it as`;
  return undefined;
}

/**
 * A PostgreSQL server of this test alone: own data in a temporary folder, own port on 127.0.0.1, everybody trusted.
 * Disposing kills it and removes its data; when this process dies, the server does too.
 */
export class PostgresServer implements AsyncDisposable {
  readonly port: number;
  /** `postgres://…` of its database. */
  readonly url: string;
  readonly #programs: string;
  readonly #folder: TempDir;
  readonly #flags: readonly string[];
  #child: Child | undefined;
  #copies = 0;

  private constructor(programs: string, folder: TempDir, port: number, flags: readonly string[]) {
    this.#programs = programs;
    this.#folder = folder;
    this.port = port;
    this.#flags = flags;
    this.url = `postgres://${USER}@127.0.0.1:${port}/postgres`;
  }

  /** A new one, running. @throws when there are no programs (`whyNoPostgres`). */
  static async start(options: PostgresServerOptions = {}): Promise<PostgresServer> {
    const programs = postgresPrograms();
    if (programs === undefined) throw new Error(`Cannot start PostgreSQL: ${whyNoPostgres()}`);
    const folder = await tempDir();
    try {
      await giveAway(folder.path);
      const port = await freePort();
      const { fsync = false, settings = {} } = options;
      const all = {
        port: `${port}`,
        listen_addresses: "127.0.0.1",
        unix_socket_directories: folder.path,
        fsync: fsync ? "on" : "off",
        shared_buffers: "32MB",
        max_connections: "40",
        ...settings,
      };
      const flags = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
      const made = await run(join(programs, "initdb"), [
        ...["-D", folder.in("data"), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
      ]);
      const { code } = await made.exited;
      if (code !== 0) throw new Error(`Cannot make a PostgreSQL cluster: ${made.stderr}`);
      const server = new PostgresServer(programs, folder, port, flags);
      await server.resume();
      return server;
    } catch (thrown) {
      await folder[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /** Starts it again on its data, on the same port. */
  async resume(): Promise<void> {
    const child = await run(join(this.#programs, "postgres"), ["-D", this.#folder.in("data"), ...this.#flags]);
    this.#child = child;
    await child.find(/ready to accept connections/, START_MS);
  }

  /** "smart" waits for its clients, "fast" sends them away, "immediate" leaves recovery to the next start. */
  async stop(how: "smart" | "fast" | "immediate" = "fast"): Promise<void> {
    const signals = { smart: "SIGTERM", fast: "SIGINT", immediate: "SIGQUIT" } as const;
    await this.#child?.stop(signals[how]);
    this.#child = undefined;
  }

  /** kill -9 of all its processes: what is not in its log is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || !isRunning(child.pid)) return;
    signal(child.pid, "SIGSTOP"); // it makes no more workers, which would outlive it
    const workers = childrenOf(child.pid); // each leads a process group of its own
    for (const pid of [child.pid, ...workers]) signal(pid, "SIGKILL");
    await child.exited;
    while (workers.some(isRunning)) await new Promise((go) => setTimeout(go, 5));
  }

  /** Takes a backup of the stopped server; gives its name for `restore`. */
  async backup(): Promise<string> {
    const name = this.#folder.in(`backup${this.#copies++}`);
    await copy(this.#folder.in("data"), name);
    return name;
  }

  /** Puts a backup in the place of the stopped server's data. */
  async restore(backup: string): Promise<void> {
    await rm(this.#folder.in("data"), { recursive: true });
    await copy(backup, this.#folder.in("data"));
  }

  /** One statement's rows. */
  async query<Row extends object>(statement: string): Promise<Row[]> {
    return await query<Row>(this.url, statement);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** One statement's rows, on a connection of its own. */
export async function query<Row extends object>(url: string, statement: string): Promise<Row[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, fetch_types: false });
  try {
    return await sql.unsafe<Row[]>(statement);
  } finally {
    await sql.end();
  }
}

/** A database that tests may make schemas in; they drop only those. */
export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
  /** The server, when it is the test's own: it may be stopped. */
  readonly server: PostgresServer | undefined;
}

/**
 * An own server, else the one that PETREL_TEST_POSTGRES names or that listens on this machine's standard port. A text says
 * why there is none.
 */
export async function testDatabase(options?: PostgresServerOptions): Promise<TestDatabase | string> {
  const why = whyNoPostgres();
  if (why === undefined) {
    const server = await PostgresServer.start(options);
    return { url: server.url, server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
  }
  const url = process.env["PETREL_TEST_POSTGRES"] ?? "postgres://127.0.0.1:5432/test";
  try {
    await query(url, "SELECT 1");
  } catch {
    return `${why}, and no server at ${url} (PETREL_TEST_POSTGRES names another)`;
  }
  return { url, server: undefined, [Symbol.asyncDispose]: () => Promise.resolve() };
}

/** As the account that may: PostgreSQL refuses root. */
function run(program: string, args: readonly string[]): Promise<Child> {
  const env = { LC_ALL: "C", PGDATA: undefined, PGPORT: undefined };
  if (process.getuid?.() !== 0) return start(program, args, { env });
  return start("setpriv", [`--reuid=${ACCOUNT}`, `--regid=${ACCOUNT}`, "--init-groups", program, ...args], {
    cwd: "/",
    env,
  });
}

async function giveAway(path: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  await chown(path, Number(idOf("-u")), Number(idOf("-g")));
}

async function copy(from: string, to: string): Promise<void> {
  if (process.getuid?.() !== 0) {
    await mkdir(to);
    await chmod(to, 0o700);
    return await cp(from, to, { recursive: true });
  }
  const { code } = await (await start("cp", ["-a", from, to])).exited; // with its owner
  if (code !== 0) throw new Error(`Cannot copy ${from}`);
}

function idOf(flag: "-u" | "-g"): string | undefined {
  try {
    return execFileSync("id", [flag, ACCOUNT], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return undefined; // nobody of that name
  }
}

function signal(pid: number, name: "SIGSTOP" | "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch {
    // it ended between our look and the signal
  }
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
}
