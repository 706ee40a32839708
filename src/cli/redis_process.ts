import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { systemClock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import { guardProcess } from "../load/process_guard.ts";
import { sendSignal } from "../runtime/node/send_signal.ts";

/** A redis-server of our own. Disposing stops it; it also ends when this process is gone. */
export interface RedisProcess extends AsyncDisposable {
  /** Its unix socket. */
  readonly path: string;
  /** Resolves when it ended by itself. */
  readonly ended: Promise<Error>;
}

const START_MS = 15_000;
/** The most bytes that the system takes as the path of a unix socket, less one. */
const SOCKET_PATH_BYTES = 107;

/**
 * Starts redis-server with nothing but a unix socket in the folder, which only this account may use. It writes nothing to disk.
 * @throws {ImError} CONFIG: there is no such program, or it does not start.
 */
export async function startRedis(folder: string): Promise<RedisProcess> {
  const at = resolve(folder);
  const path = join(at, "redis.sock");
  if (new TextEncoder().encode(path).length > SOCKET_PATH_BYTES) {
    throw new ImError(
      "CONFIG",
      `Cannot start redis-server: ${path} is too long for a unix socket, name another folder`,
    );
  }
  mkdirSync(at, { recursive: true, mode: 0o700 });
  rmSync(path, { force: true });
  const child = spawn("redis-server", [
    ...["--port", "0", "--unixsocket", path, "--unixsocketperm", "600", "--dir", at],
    ...["--save", "", "--appendonly", "no", "--daemonize", "no"],
  ], { stdio: ["ignore", "pipe", "pipe"], detached: true }); // a Ctrl-C is for us; we stop it last
  const ended = endOf(child);
  try {
    await ready(child, ended);
  } catch (cause) {
    sendSignal(child, "SIGKILL");
    throw cause;
  }
  guardProcess(child.pid!, { signal: "SIGTERM" });
  let stopping = false;
  return {
    path,
    ended: new Promise((tell) => void ended.then((error) => stopping || tell(error))),
    async [Symbol.asyncDispose]() {
      stopping = true;
      sendSignal(child, "SIGTERM");
      const hard = systemClock.after(3_000, () => sendSignal(child, "SIGKILL"));
      await ended;
      hard.stop();
      rmSync(path, { force: true });
    },
  };
}

function endOf(child: ChildProcess): Promise<Error> {
  return new Promise((tell) => {
    child.once("error", (error) => tell(error));
    child.once("close", (code, signal) => tell(new Error(`redis-server ended: ${signal ?? `exit code ${code}`}`)));
  });
}

function ready(child: ChildProcess, ended: Promise<Error>): Promise<void> {
  return new Promise((done, fail) => {
    let said = "";
    const refuse = (why: string) => fail(new ImError("CONFIG", `Cannot start redis-server: ${why}`));
    const limit = systemClock.after(START_MS, () => refuse(`it is not ready after ${START_MS / 1000} s`));
    void ended.then((error) => {
      limit.stop();
      const missing = "code" in error && error.code === "ENOENT";
      refuse(
        missing ? "there is no such program here (Debian: apt-get install redis-server)" : said.trim() || error.message,
      );
    });
    const hear = (chunk: string) => {
      said = (said + chunk).slice(-4_096);
      if (!/Ready to accept connections|ready to accept connections at/i.test(said)) return;
      limit.stop();
      done();
    };
    child.stdout!.setEncoding("utf8").on("data", hear);
    child.stderr!.setEncoding("utf8").on("data", hear);
  });
}
