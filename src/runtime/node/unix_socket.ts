import { lstatSync, rmSync } from "node:fs";
import { chmod, lstat, rename, rm } from "node:fs/promises";
import { connect } from "node:net";
import process from "node:process";
import { sleep, systemClock } from "../../base/clock.ts";
import { ImError, reasonOf } from "../../base/errors.ts";
import type { ListenAt } from "../../comm/ports.ts";
import { type Bind, type Bound, codeOf } from "./bound.ts";

/** The owner and the group, e.g. that of a reverse proxy, may connect. */
const MODE = 0o660;
/** A process whose path was taken over accepts for so long what was waiting for it. */
const LINGER_MS = 200;
/** A path in a socket's address has 108 bytes with its end, on Linux; some systems have 104. */
const PATH_BYTES = 103;

/** `unix:/run/petrel/petrel.sock`; what has a meaning in URLs is escaped. */
export function unixUrl(path: string): string {
  return `unix:${path.split("/").map(encodeURIComponent).join("/")}`;
}

/** The path in a URL that `unixUrl` made. */
export function unixPath(url: URL): string {
  return decodeURIComponent(url.pathname);
}

/**
 * Listens on a unix socket: bound under a name beside `path`, given its rights, then moved there. So nobody meets it
 * half-made, what a dead process left is replaced in one step, and runtimes, which remove the name they bound when they
 * stop, cannot remove the file of a process that took the path over. Where paths are taken over (`reusePort`), the
 * file stays at the end: it may be the next process's by then, and what nobody listens on is replaced anyway.
 * @throws {ImError} CONFIG, naming the path and what to do.
 */
export async function bindUnix(path: string, { reusePort, clock }: ListenAt, bind: Bind): Promise<Bound> {
  const made = `${path}.${process.pid}`;
  if (new TextEncoder().encode(made).length > PATH_BYTES) throw refusal(path, "the path is too long");
  await refuseTaken(path, reusePort);
  let ours = 0;
  const isOurs = () => lstatSync(path, { throwIfNoEntry: false })?.ino === ours;
  const put = async () => {
    await chmod(made, MODE);
    if (ours !== 0 && !isOurs()) return;
    ours = (await lstat(made)).ino;
    await rename(made, path);
  };
  let bound: Bound | undefined;
  try {
    await rm(made, { force: true }); // of a dead process that had our number
    bound = await bind({ unix: made, put });
    await put();
  } catch (thrown) {
    await bound?.dispose();
    if (thrown instanceof ImError) throw thrown;
    throw refusal(path, wordsFor(thrown), thrown);
  }
  const { stopAccepting, dispose } = bound;
  let stopped: Promise<void> | undefined;
  const stop = () => {
    if (stopped) return;
    stopped = Promise.resolve();
    if (reusePort) stopped = sleep(clock ?? systemClock, LINGER_MS).then(stopAccepting);
    else {
      if (isOurs()) rmSync(path, { force: true });
      stopAccepting();
    }
  };
  return {
    port: 0,
    stopAccepting: stop,
    async dispose() {
      stop();
      await stopped;
      await dispose();
    },
  };
}

/** A file that is no socket stays, and so does a socket on which somebody listens, unless it may be taken over. */
async function refuseTaken(path: string, takeOver = false): Promise<void> {
  const found = await lstat(path).catch(() => undefined); // the usual case: there is nothing
  if (!found) return;
  if (!found.isSocket()) throw refusal(path, "there is a file that is no socket. Remove it, or choose another path");
  if (takeOver) return;
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const probe = connect({ path });
  probe.once("connect", () => resolve(true));
  probe.once("error", (thrown) => codeOf(thrown) === "ECONNREFUSED" ? resolve(false) : reject(thrown));
  try {
    if (await promise) throw refusal(path, "a process listens there. Stop it, or choose another path");
  } catch (thrown) {
    if (thrown instanceof ImError || codeOf(thrown) !== "ENOENT") throw thrown;
  } finally {
    probe.destroy();
  }
}

function wordsFor(cause: unknown): string {
  const code = codeOf(cause);
  if (code === "ENOENT" || code === "ENOTDIR") return "there is no such folder. Make it first";
  if (code === "EACCES" || code === "EPERM") return "not allowed. Choose a folder in which this process may write";
  return reasonOf(cause);
}

function refusal(path: string, why: string, cause?: unknown): ImError {
  return new ImError("CONFIG", `Cannot listen on unix socket ${path}: ${why}`, { cause });
}
