import { readFile, stat } from "node:fs/promises";
import type { Clock, Timer } from "../base/clock.ts";
import { ImError, reasonOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Metrics } from "../base/metrics.ts";
import type { TlsPair, TlsSource } from "../comm/ports.ts";
import { type CheckedPair, checkPair, type TlsPaths } from "./tls_pair.ts";

/** How often the files are read again. */
const LOOK_MS = 2_000;
/** Chains have a few KiB; nobody's mistake is read further. */
const MOST_BYTES = 1 << 20;
const DAY_MS = 24 * 3600 * 1000;
/** From so many days on a certificate that nobody renews is a warning, once a day. */
const WARN_DAYS = 14;

export interface TlsFilesDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * A certificate and its key in two files, read again every 2 s: their content counts, so that it does not matter how they
 * are replaced. What was read twice alike and can be used is taken; anything else is reported once, and the old pair stays
 * in use.
 */
export class TlsFiles implements TlsSource, Disposable {
  readonly #paths: TlsPaths;
  readonly #deps: TlsFilesDeps;
  readonly #listeners = new Set<() => void>();
  readonly #timer: Timer;
  #pair: CheckedPair;
  /** What was read last, and what was judged last; PEM texts behind each other, or what was wrong. */
  #seen: string;
  #judged: string;
  #looking = false;
  #warnedMs = -Infinity;

  /** @throws {ImError} CONFIG, see `checkPair`. */
  static async open(paths: TlsPaths, deps: TlsFilesDeps): Promise<TlsFiles> {
    const pair = checkPair(await readPair(paths), paths, deps.clock.now());
    return new TlsFiles(paths, deps, pair);
  }

  private constructor(paths: TlsPaths, deps: TlsFilesDeps, pair: CheckedPair) {
    this.#paths = paths;
    this.#deps = deps;
    this.#pair = pair;
    this.#seen = this.#judged = textOf(pair);
    this.#warn();
    deps.metrics.gauge(
      "petrel_tls_days_left",
      "Days until the certificate in use expires; negative when it has",
      () => this.daysLeft,
    );
    this.#timer = deps.clock.every(LOOK_MS, () => void this.#look());
  }

  get pair(): TlsPair {
    return this.#pair;
  }

  /** With a fraction; negative when it has expired. */
  get daysLeft(): number {
    return (this.#pair.notAfterMs - this.#deps.clock.now()) / DAY_MS;
  }

  onChange(run: () => void): Disposable {
    this.#listeners.add(run);
    return { [Symbol.dispose]: () => void this.#listeners.delete(run) };
  }

  [Symbol.dispose](): void {
    this.#timer.stop();
    this.#listeners.clear();
  }

  async #look(): Promise<void> {
    this.#warn();
    if (this.#looking) return; // a slow disk
    this.#looking = true;
    const found = await readPair(this.#paths).catch((thrown) => ImError.from(thrown));
    this.#looking = false;
    const text = found instanceof ImError ? found.message : textOf(found);
    const settled = text === this.#seen; // else somebody may be in the middle of replacing them
    this.#seen = text;
    if (!settled || text === this.#judged) return;
    this.#judged = text;
    this.#judge(found);
  }

  #judge(found: TlsPair | ImError): void {
    const { clock, log } = this.#deps;
    try {
      if (found instanceof ImError) throw found;
      if (textOf(found) === textOf(this.#pair)) return; // it was broken for a while
      this.#pair = checkPair(found, this.#paths, clock.now());
    } catch (thrown) {
      const { message } = ImError.from(thrown);
      return log.warn("the new certificate cannot be used, the old one stays", { problem: message });
    }
    this.#warnedMs = -Infinity;
    log.info("certificate replaced", { file: this.#paths.cert, daysLeft: Math.floor(this.daysLeft) });
    this.#warn();
    for (const run of this.#listeners) run();
  }

  #warn(): void {
    const nowMs = this.#deps.clock.mono();
    if (this.daysLeft >= WARN_DAYS || nowMs - this.#warnedMs < DAY_MS) return;
    this.#warnedMs = nowMs;
    const fields = { file: this.#paths.cert, daysLeft: Math.floor(this.daysLeft) };
    if (this.daysLeft < 0) this.#deps.log.error("the certificate has expired: clients refuse it", fields);
    else this.#deps.log.warn("the certificate expires soon", fields);
  }
}

function textOf({ cert, key }: TlsPair): string {
  return `${cert}\0${key}`;
}

async function readPair({ cert, key }: TlsPaths): Promise<TlsPair> {
  return { cert: await read("certificate", cert), key: await read("key", key) };
}

async function read(what: string, path: string): Promise<string> {
  const refuse = (why: string, cause?: unknown) =>
    new ImError("CONFIG", `Cannot read ${what} ${path}: ${why}`, { cause });
  let size;
  try {
    size = (await stat(path)).size;
    if (size <= MOST_BYTES) return await readFile(path, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : "";
    if (code === "ENOENT" || code === "ENOTDIR") throw refuse("there is no such file", cause);
    if (code === "EACCES" || code === "EPERM") throw refuse("this process may not read it", cause);
    if (code === "EISDIR") throw refuse("it is a folder", cause);
    throw refuse(reasonOf(cause), cause);
  }
  throw refuse(`it has ${size} bytes, which no certificate or key needs`);
}
