import { createHash } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { isName } from "../protocol/names.ts";
import { MOST_REVOCATIONS, type Revocation, type RevocationSource } from "../session/revocations.ts";

/** How often a running server looks at the file. */
const LOOK_MS = 2_000;
const MOST_BYTES = 4 << 20;
/** A file that is being written and older than this was left by a process that ended. */
const STALE_MS = 10_000;

/** Where `petrel revoke` writes and a server reads what is revoked. */
export function revocationFile(dataFolder: string): string {
  return join(dataFolder, "revoked.json");
}

/** SHA-256 of a token's text, lower-case hex. */
export function tokenHash(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/**
 * What the file says; a file that is not there says nothing.
 * @throws {ImError} CONFIG: too large, not readable, or not what `writeRevocations` writes; with the reason.
 */
export function readRevocations(file: string): Revocation[] {
  const size = stat(file)?.size;
  if (size === undefined) return [];
  if (size > MOST_BYTES) throw broken(file, `${size} bytes, limit is ${MOST_BYTES}`);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw broken(file, cause instanceof SyntaxError ? "not JSON" : String(cause));
  }
  const list = isObject(content) ? content["revoked"] : undefined;
  if (!Array.isArray(list)) throw broken(file, 'expected {"revoked":[…]}');
  if (list.length > MOST_REVOCATIONS) throw broken(file, `${list.length} entries, limit is ${MOST_REVOCATIONS}`);
  return list.map((one, at) => {
    if (!isRevocation(one)) throw broken(file, `entry ${at} is neither {token, until} nor {app, account, until}`);
    return one;
  });
}

/**
 * Changes the file in one step, a change of another process at the same time not being lost: `change` gets what is
 * there and gives what shall be.
 * @throws {ImError} CONFIG: the file is broken or cannot be written, another process is writing it, or the list is full.
 */
export function changeRevocations(file: string, clock: Clock, change: (list: Revocation[]) => Revocation[]): void {
  const draft = `${file}.new`;
  const fd = openDraft(draft, clock);
  let open = true;
  try {
    const list = change(readRevocations(file));
    if (list.length > MOST_REVOCATIONS) {
      throw new ImError("CONFIG", `Cannot revoke more: ${file} has ${MOST_REVOCATIONS} entries that are not over`);
    }
    const lines = list.map((one) => `  ${JSON.stringify(one)}`).join(",\n");
    writeSync(fd, `{"revoked":[${lines === "" ? "" : `\n${lines}\n`}]}\n`);
    fsyncSync(fd);
    closeSync(fd);
    open = false;
    renameSync(draft, file);
  } catch (cause) {
    if (open) closeSync(fd);
    rmSync(draft, { force: true });
    throw cause instanceof ImError ? cause : new ImError("CONFIG", `Cannot write ${file}: ${String(cause)}`, { cause });
  }
}

/**
 * The file as a source: read now, and again when it has changed. Later faults of the file are logged, once each, and
 * what was last read goes on counting.
 * @throws {ImError} CONFIG: the file is broken now. Starting without it would let in who was put out.
 */
export function openRevocationFile(file: string, clock: Clock, log: Logger): RevocationSource {
  let seen = signature(file);
  let list: readonly Revocation[] = readRevocations(file);
  return {
    hash: tokenHash,
    watch(changed) {
      changed(list);
      return clock.every(LOOK_MS, () => {
        const now = signature(file);
        if (now === seen) return;
        seen = now;
        try {
          list = readRevocations(file);
        } catch (thrown) {
          return log.error("revocations cannot be read: the last ones go on counting", { error: ImError.from(thrown) });
        }
        log.info("revocations read", { count: list.length });
        changed(list);
      });
    },
  };
}

/** Opened by one process at a time. */
function openDraft(draft: string, clock: Clock): number {
  for (const last of [false, true]) {
    try {
      return openSync(draft, "wx", 0o600);
    } catch (cause) {
      const other = stat(draft);
      const stale = other !== undefined && clock.now() - other.mtimeMs > STALE_MS;
      if (last || !stale) {
        const why = other ? "another petrel revoke is writing it, try again" : String(cause);
        throw new ImError("CONFIG", `Cannot write ${draft}: ${why}`, { cause });
      }
      rmSync(draft, { force: true });
    }
  }
  throw new ImError("CONFIG", `Cannot write ${draft}`);
}

/** Differs when the file was replaced or written. */
function signature(file: string): string {
  const now = stat(file);
  return now ? `${now.mtimeMs} ${now.size} ${now.ino}` : "";
}

function stat(file: string) {
  return statSync(file, { throwIfNoEntry: false });
}

function isRevocation(value: unknown): value is Revocation {
  if (!isObject(value)) return false;
  const { token, app, account, until } = value;
  if (typeof until !== "number" || !Number.isSafeInteger(until)) return false;
  if (typeof token === "string") return app === undefined && account === undefined && /^[0-9a-f]{64}$/.test(token);
  return token === undefined && typeof app === "string" && isName(app) && typeof account === "string" &&
    isName(account);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function broken(file: string, why: string): ImError {
  return new ImError("CONFIG", `Cannot read ${file}: ${why}`);
}
