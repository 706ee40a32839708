import type { Clock } from "../../base/clock.ts";
import type { Metrics } from "../../base/metrics.ts";
import type { Uplink } from "../../container/link.ts";
import { makeHeader } from "../../protocol/header.ts";
import { NO_BODY } from "../../protocol/packet.ts";
import { ownRequest } from "./own_request.ts";

/** Channels that are gone and whose end no server has confirmed; of more than these the end is said only once. */
const MOST = 100_000;
/** Of those that wait so many are sent in one go. */
const AT_ONCE = 1_000;
/** An answer that has not come by then is not waited for. */
const ANSWER_MS = 10_000;
/** After one that failed the others are tried one by one, so far apart. */
const PAUSE_MS = 1_000;

export interface SignOutsDeps {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly gateId: string;
  readonly startWithinMs: number;
  /** Any server; the text spreads. */
  readonly pick: (spread: string) => Uplink | undefined;
}

interface Sent {
  readonly link: Uplink;
  readonly untilMs: number;
}

/**
 * Tells logic which channels are gone, again until a server has ended their sessions. Ending one twice is harmless: a
 * channel's id is never used again, and a newer login of its device has another one.
 *
 *   add ──► sent ──answered──► done        KIM's servers are told once
 *    │       └──refused, link closed, silent──┐
 *    └──no server takes it──► due ◄───────────┘     due ──a server takes it──► sent
 */
export class SignOuts {
  readonly #deps: SignOutsDeps;
  /** In the order they were sent. */
  readonly #sent = new Map<string, Sent>();
  readonly #due = new Set<string>();
  #failing = false;
  #notBeforeMs = 0;

  constructor(deps: SignOutsDeps) {
    this.#deps = deps;
    const help = "Channels that are gone and whose sessions no logic server has ended yet";
    deps.metrics.gauge("petrel_sign_outs", help, () => this.size);
  }

  get size(): number {
    return this.#sent.size + this.#due.size;
  }

  add(channelId: string): void {
    if (this.#sent.has(channelId) || this.#due.has(channelId)) return;
    if (!this.#send(channelId) && this.size < MOST) this.#due.add(channelId);
  }

  /** A server answered: it has ended the session, or could not. */
  answered(channelId: string, ended: boolean): void {
    if (!this.#sent.delete(channelId)) return;
    this.#failing = !ended;
    this.#notBeforeMs = ended ? 0 : this.#deps.clock.mono() + PAUSE_MS;
    if (!ended) this.#due.add(channelId);
  }

  /** The link is gone: its answers will not come. */
  lost(link: Uplink): void {
    for (const [channelId, sent] of this.#sent) if (sent.link === link) this.#again(channelId);
  }

  tick(nowMs: number): void {
    for (const [channelId, { untilMs }] of this.#sent) {
      if (untilMs > nowMs) break;
      this.#again(channelId);
    }
    if (nowMs < this.#notBeforeMs) return;
    let left = this.#failing ? 1 : AT_ONCE;
    for (const channelId of this.#due) {
      if (left-- === 0) break;
      this.#due.delete(channelId);
      if (this.#send(channelId)) continue;
      this.#due.add(channelId);
      break;
    }
    if (this.#failing) this.#notBeforeMs = nowMs + PAUSE_MS;
  }

  #again(channelId: string): void {
    this.#sent.delete(channelId);
    this.#due.add(channelId);
  }

  /** False: no server takes it now. */
  #send(channelId: string): boolean {
    const { clock, gateId, startWithinMs, pick } = this.#deps;
    const link = pick(channelId);
    if (!link) return false;
    const now = clock.mono();
    const isKept = !link.kim && this.size < MOST;
    if (isKept) this.#sent.set(channelId, { link, untilMs: now + ANSWER_MS });
    const header = makeHeader("login.signout", { channelId });
    if (link.send(ownRequest(gateId, header, NO_BODY, now + startWithinMs))) return true;
    this.#sent.delete(channelId);
    return false;
  }
}
