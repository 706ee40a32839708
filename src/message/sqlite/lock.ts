import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { ImError, reasonOf } from "../../base/errors.ts";

/**
 * One process per folder: an open write transaction on a second, empty database. The kernel lets go of it when the
 * process ends, however it ends, and no process id has to be trusted. Opening that file by other means would drop the
 * lock (POSIX locks belong to the process), so the holder's pid, for the message only, is in a file of its own.
 * @throws {ImError} CONFIG: somebody else has it, or the folder is not writable.
 */
export function lockFolder(directory: string): Disposable {
  const pidFile = join(directory, "petrel.pid");
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(join(directory, "petrel.lock"));
    db.exec("PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    writeFileSync(pidFile, `${process.pid}\n`);
  } catch (thrown) {
    db?.close();
    const text = reasonOf(thrown);
    const why = text.includes("locked") ? `it is in use by ${holder(pidFile)}` : `it cannot be locked (${text})`;
    throw new ImError("CONFIG", `Cannot use data folder ${directory}: ${why}`, { cause: thrown });
  }
  const held = db;
  return {
    [Symbol.dispose]() {
      rmSync(pidFile, { force: true });
      held.close();
    },
  };
}

function holder(pidFile: string): string {
  try {
    const pid = readFileSync(pidFile, "utf8").trim();
    if (pid) return `another process (pid ${pid})`;
  } catch { /* just started or just ending: the lock itself is certain, only its holder's name is not */ }
  return "another process";
}
