import process from "node:process";
import { ImError } from "../../base/errors.ts";
import { CLOCK_FAULT } from "./file_clock.ts";

/**
 * Places where a test makes the writer fail. Given as text, in `SqliteOptions.faults` or the environment variable
 * `PETREL_FAULT` of the petrel command: `place=action` or `place=action@n` (only the n-th time), joined by commas.
 *
 *     statement       before a message's row is inserted: the batch is torn
 *     before-commit   everything is written, COMMIT is not
 *     sync            in the place of COMMIT's own work
 *     after-commit    durable, but nobody was answered
 *     remedy          while a failed sync is being undone
 *
 *     kill            SIGKILL to this process
 *     throw | io | full    throw: an error, "disk I/O error", "database or disk is full"
 *     delay:20        stand still for 20 ms
 *
 * `sync=delay:8` is a slow disk, `after-commit=kill@100` a power cut at the hundredth commit. `clock=FILE` is no such
 * place: file_clock.ts.
 */
export type FaultPlace = (typeof PLACES)[number];

const PLACES = ["statement", "before-commit", "sync", "after-commit", "remedy"] as const;
const TEXT: Readonly<Record<string, string>> = {
  throw: "injected failure",
  io: "disk I/O error",
  full: "database or disk is full",
};

interface Fault {
  readonly place: FaultPlace;
  readonly action: string;
  readonly delayMs: number;
  /** Passages until it strikes; NaN: every time. */
  left: number;
}

/** What has been ordered, and how often each place was passed. */
export class Faults {
  #list: Fault[] = [];

  /** @throws {ImError} CONFIG when the text is not of the form above. */
  constructor(text = "") {
    this.add(text);
  }

  add(text: string): void {
    for (const part of text.split(",")) {
      if (part !== "" && !part.startsWith(CLOCK_FAULT)) this.#list.push(parse(part));
    }
  }

  /** Passes a place: usually nothing. hot: per message */
  at(place: FaultPlace): void {
    if (this.#list.length > 0) this.#strike(place);
  }

  #strike(place: FaultPlace): void {
    for (const fault of this.#list) {
      if (fault.place !== place || --fault.left > 0) continue;
      if (fault.left === 0) this.#list = this.#list.filter((one) => one !== fault);
      if (fault.action === "kill") process.kill(process.pid, "SIGKILL");
      else if (fault.action !== "delay") throw new Error(TEXT[fault.action]);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, fault.action === "kill" ? 1_000 : fault.delayMs);
    }
  }
}

const FORM = /^([a-z-]+)=(kill|throw|io|full|delay)(?::(\d+))?(?:@(\d+))?$/;

function parse(text: string): Fault {
  const [, name, action, delay, nth] = FORM.exec(text) ?? [];
  const place = PLACES.find((one) => one === name);
  if (!place || !action) throw new ImError("CONFIG", `Cannot use fault: ${text} is not place=action[@n]`);
  return { place, action, delayMs: Number(delay ?? 0), left: nth === undefined ? NaN : Number(nth) };
}
