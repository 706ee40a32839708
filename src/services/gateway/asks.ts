import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Downward, Uplink } from "../../container/link.ts";
import { type BodyType, decodeBody } from "../../protocol/bodies.ts";
import { makeHeader } from "../../protocol/header.ts";
import { STATUS } from "../../protocol/status.ts";
import { ownRequest } from "./own_request.ts";

interface Asked {
  readonly link: Uplink;
  readonly command: string;
  readonly deadlineMs: number;
  done(answer: Downward | ImError): void;
}

/** An answer that has not come by then never will. */
const ANSWER_MS = 4_000;

/** The gateway's own requests to logic servers (`im.*`): answers are matched by sequence; every one ends in 4 s. */
export class Asks {
  readonly #gateId: string;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Asked>();
  #sequence = 0;

  constructor(gateId: string, clock: Clock) {
    this.#gateId = gateId;
    this.#clock = clock;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** `done` is called exactly once, perhaps at once: with the answer, or with BUSY, CLOSED or TIMEOUT. */
  ask(link: Uplink, command: string, body: Uint8Array, done: (answer: Downward | ImError) => void): void {
    const sequence = this.#next();
    const deadlineMs = this.#clock.mono() + ANSWER_MS;
    this.#waiting.set(sequence, { link, command, deadlineMs, done });
    if (!this.#send(link, command, sequence, body, deadlineMs)) {
      this.#end(sequence, new ImError("BUSY", `Cannot ask ${command}: the link took nothing`));
    }
  }

  /** Says something whose answer nobody waits for. False: the link took nothing. */
  tell(link: Uplink, command: string, body: Uint8Array): boolean {
    return this.#send(link, command, this.#next(), body, this.#clock.mono() + ANSWER_MS);
  }

  answered(packet: Downward): void {
    const asked = this.#waiting.get(packet.header.sequence);
    if (asked?.command === packet.header.command) this.#end(packet.header.sequence, packet);
  }

  /** The link is gone: its answers will not come. */
  lost(link: Uplink): void {
    for (const [sequence, asked] of this.#waiting) {
      if (asked.link === link) {
        this.#end(sequence, new ImError("CLOSED", `Cannot ask ${asked.command}: the link closed`));
      }
    }
  }

  /** Ends what has waited too long. Called about once a second. */
  expire(nowMs: number): void {
    for (const [sequence, asked] of this.#waiting) {
      if (asked.deadlineMs > nowMs) break; // in the order they were asked
      this.#end(sequence, new ImError("TIMEOUT", `Cannot ask ${asked.command}: no answer`));
    }
  }

  #next(): number {
    return this.#sequence = (this.#sequence + 1) >>> 0;
  }

  #send(link: Uplink, command: string, sequence: number, body: Uint8Array, startBy: number): boolean {
    return link.send(ownRequest(this.#gateId, makeHeader(command, { sequence }), body, startBy));
  }

  #end(sequence: number, answer: Downward | ImError): void {
    const asked = this.#waiting.get(sequence);
    if (!asked) return;
    this.#waiting.delete(sequence);
    asked.done(answer);
  }
}

/** What an answer says; an ImError when there was none, or it says nothing that can be read. */
export function decoded<T>(type: BodyType<T>, answer: Downward | ImError): T | ImError {
  if (answer instanceof ImError) return answer;
  const { command, status } = answer.header;
  if (status !== STATUS.SUCCESS.wire) return new ImError("SYSTEM", `Cannot ask ${command}: status ${status}`);
  try {
    return decodeBody(type, answer.body);
  } catch (thrown) {
    return ImError.from(thrown);
  }
}
