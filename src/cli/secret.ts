import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ImError, reasonOf } from "../base/errors.ts";

const TOKEN_SECRET = "token.secret";

/** Where a dev server keeps the token secret it made; `petrel chat` and `petrel token` read it there. */
export function secretFile(dataFolder: string): string {
  return join(dataFolder, TOKEN_SECRET);
}

/** The token secret kept in a data folder; undefined when there is none. */
export function readSecret(dataFolder: string): string | undefined {
  return readKept(secretFile(dataFolder));
}

function readKept(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
}

/**
 * The secret kept in a data folder, made at the first time: 32 random bytes as hex, readable by the owner only. `open`:
 * others than this machine can reach the server, so a weak one is refused.
 * @throws {ImError} CONFIG: the folder, the file or the secret in it cannot be used.
 */
export function keepSecret(dataFolder: string, randomBytes: (count: number) => Uint8Array, open: boolean): string {
  const secret = keptOrMade(dataFolder, TOKEN_SECRET, randomBytes);
  const weak = open ? weakSecret(secret) : undefined;
  if (weak === undefined) return secret;
  throw new ImError("CONFIG", `Cannot use the token secret in ${secretFile(dataFolder)}: ${weak}`);
}

/**
 * The secret in a file of a data folder, made at the first time: 32 random bytes as hex, readable by the owner only.
 * @throws {ImError} CONFIG: the folder or the file cannot be used.
 */
export function keptOrMade(
  dataFolder: string,
  fileName: string,
  randomBytes: (count: number) => Uint8Array,
): string {
  const file = join(dataFolder, fileName);
  try {
    const kept = readKept(file);
    if (kept) return kept;
    const made = randomBytes(32).toHex();
    makeFolder(dataFolder);
    const half = `${file}.new`; // a full disk must not leave a part of a secret
    writeFileSync(half, made + "\n", { mode: 0o600 });
    chmodSync(half, 0o600);
    renameSync(half, file);
    return made;
  } catch (cause) {
    const text = reasonOf(cause);
    throw new ImError("CONFIG", `Cannot keep a secret in ${dataFolder}: ${text}`, { cause });
  }
}

function makeFolder(path: string): void {
  if (existsSync(path) && !statSync(path).isDirectory()) throw new Error("it is a file, expected a folder");
  mkdirSync(path, { recursive: true, mode: 0o700 });
}

/** KIM's built-in secret: everybody can sign with it. */
const WELL_KNOWN = "jwt-1sNzdiSgnNuxyq2g7xml2JvLArU";
/** RFC 7518 section 3.2: a key of HS256 has at least the size of its hash. */
const SECRET_BYTES = 32;

/** Why a secret is none beyond this machine; undefined: it is one. */
export function weakSecret(secret: string): string | undefined {
  if (secret === WELL_KNOWN) return "everybody knows this one; it only works on localhost";
  if (new TextEncoder().encode(secret).length >= SECRET_BYTES) return undefined;
  return `expected ${SECRET_BYTES} bytes or more, unless all addresses are on localhost`;
}
