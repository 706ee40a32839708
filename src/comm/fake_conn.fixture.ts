import { FakeClock } from "../base/fake_clock.ts";
import type { LogFields, Logger } from "../base/logger.ts";
import type { CloseReason } from "../protocol/close_reason.ts";
import type { Conn, ConnEvents, WriteResult } from "./ports.ts";

/** A connection without a peer, for the tests of this folder. */
export class FakeConn implements Conn {
  readonly transport = "ws";
  readonly remote: string;
  events!: ConnEvents;
  /** Each `send`. */
  readonly sends: Uint8Array[][] = [];
  /** What happened, in order. */
  readonly calls: string[] = [];
  /** Does the kernel take everything? */
  open = true;
  queuedBytes = 0;
  paused = false;
  limitBytes = 0;
  why: CloseReason | undefined;
  /** Does `close` end at once, or wait for `gone`? */
  quick = true;

  constructor(remote = "192.0.2.7:4711") {
    this.remote = remote;
  }

  send(packets: readonly Uint8Array[]): WriteResult {
    if (this.why) return "closed";
    this.sends.push([...packets]);
    this.calls.push(`send ${packets.length}`);
    if (this.open) return "sent";
    for (const packet of packets) this.queuedBytes += packet.length;
    return "queued";
  }
  ping(): void {
    this.calls.push("ping");
  }
  pause(): void {
    this.paused = true;
    this.calls.push("pause");
  }
  resume(): void {
    this.paused = false;
    this.calls.push("resume");
  }
  limit(frameBytes: number): void {
    this.limitBytes = frameBytes;
  }
  close(why: CloseReason): void {
    if (this.why) return;
    this.why = why;
    this.calls.push(`close ${why.reason}`);
    if (this.quick) this.events.closed(why);
  }
  destroy(): void {
    this.gone();
  }

  // ---- what a peer does

  receives(text: string): void {
    this.events.alive();
    this.events.packet(new TextEncoder().encode(text));
  }
  /** The peer reads all that waits. */
  drain(): void {
    this.queuedBytes = 0;
    this.events.drained();
  }
  gone(): void {
    this.why ??= { code: 1006, reason: "peer gone", reconnect: true };
    this.events.closed(this.why);
  }
}

/** A logger that keeps its errors. */
export class ErrorLog implements Logger {
  readonly errors: unknown[] = [];
  debug(): void {}
  info(): void {}
  warn(): void {}
  error(_message: string, fields?: LogFields): void {
    this.errors.push(fields?.error);
  }
  child(): Logger {
    return this;
  }
}

/** A fake clock whose `endOfTick` is told, too. */
export class TestClock extends FakeClock {
  #ends: (() => void)[] = [];

  override endOfTick(run: () => void): void {
    this.#ends.push(run);
  }

  endTick(): void {
    const ends = this.#ends;
    this.#ends = [];
    for (const run of ends) run();
  }
}
