import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ImError } from "../base/errors.ts";

/** Where a dev server keeps the token secret it made; `petrel chat` and `petrel token` read it there. */
export function secretFile(dataFolder: string): string {
  return join(dataFolder, "token.secret");
}

/** The secret kept in a data folder; undefined when there is none. */
export function readSecret(dataFolder: string): string | undefined {
  const file = secretFile(dataFolder);
  return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
}

/**
 * The secret kept in a data folder, made at the first time: 32 random bytes as hex, readable by the owner only.
 * @throws {ImError} CONFIG: the folder or the file cannot be used.
 */
export function keepSecret(dataFolder: string, randomBytes: (count: number) => Uint8Array): string {
  try {
    return keptOrMade(dataFolder, randomBytes);
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new ImError("CONFIG", `Cannot keep a token secret in ${dataFolder}: ${text}`, { cause });
  }
}

function keptOrMade(dataFolder: string, randomBytes: (count: number) => Uint8Array): string {
  const kept = readSecret(dataFolder);
  if (kept) return kept;
  const made = Array.from(randomBytes(32), (byte) => byte.toString(16).padStart(2, "0")).join("");
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  writeFileSync(secretFile(dataFolder), made + "\n", { mode: 0o600 });
  chmodSync(secretFile(dataFolder), 0o600);
  return made;
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
