import net from "node:net";

/**
 * What befalls a connection: lost with its COMMIT, lost when COMMIT was carried out and before its answer, or silent from
 * COMMIT on.
 */
export type CommitFate = "pass" | "cut before" | "cut after" | "swallow";

/** Stands between a store and PostgreSQL, and does things to those that commit. */
export class PostgresProxy implements AsyncDisposable {
  /** Asked for each COMMIT that is seen. */
  fate: () => CommitFate = () => "pass";
  /** Nothing is carried any more, and no connection is answered. */
  silent = false;
  /** How many connections met something else than "pass". */
  struck = 0;
  readonly #server: net.Server;
  readonly #target: number;
  readonly #open = new Set<net.Socket>();

  private constructor(target: number) {
    this.#target = target;
    this.#server = net.createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  static async start(target: number): Promise<PostgresProxy> {
    const proxy = new PostgresProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", () => resolve()));
    return proxy;
  }

  /** The address of a database behind it. */
  url(direct: string): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("Cannot tell the port: not listening");
    return direct.replace(`:${this.#target}/`, `:${address.port}/`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: net.Socket): void {
    const server = net.connect({ port: this.#target, host: "127.0.0.1", noDelay: true });
    let lost: "no" | "after" | "silent" = "no";
    const isCommit = commitSeer();
    const end = () => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      this.#open.add(socket);
      socket.on("error", end).on("close", () => {
        this.#open.delete(socket);
        end();
      });
    }
    client.on("data", (bytes) => {
      if (this.silent || lost === "silent") return;
      const fate = typeof bytes !== "string" && isCommit(bytes) ? this.fate() : "pass";
      if (fate !== "pass") this.struck++;
      if (fate === "cut before") return end();
      if (fate === "swallow") return void (lost = "silent");
      if (fate === "cut after") lost = "after";
      server.write(bytes);
    });
    server.on("data", (bytes) => {
      if (this.silent || lost === "silent") return;
      if (lost === "after") return end();
      client.write(bytes);
    });
  }
}

/** Tells COMMIT from everything else, also when it is a prepared statement that is only bound again. */
function commitSeer(): (bytes: Uint8Array) => boolean {
  const latin1 = new TextDecoder("latin1");
  let name: string | undefined;
  return (bytes) => {
    const text = latin1.decode(bytes);
    name ??= /P[^]{4}([^\0]*)\0commit\0/i.exec(text)?.[1];
    return name === undefined ? /Q[^]{4}commit\0/i.test(text) : text.includes(`\0${name}\0`);
  };
}
