import type { Clock, Timer } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { BodyCodec } from "../protocol/body_codec.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import { FLAG, makeHeader, type Meta, NO_META } from "../protocol/header.ts";
import { LIMITS } from "../protocol/limits.ts";
import { BASIC, type BasicPacket, decodePacket, encodeLogic, type LogicPacket, PING } from "../protocol/packet.ts";
import { errorOf } from "./answer.ts";
import { closeReason, LOST } from "./close.ts";
import type { ClientSocket, Connect } from "./socket.ts";

/** A request without answer for so long means that the connection is of no use. For the first one dialling counts. */
const ANSWER_MS = 8_000;
/** After a ping something must come. */
const PONG_MS = 10_000;

/** Asks the server. Exactly one of the two functions is called, later, during the event that decides it. */
export interface Requests {
  /** Writes and reads the bodies. */
  readonly codec: BodyCodec;
  request(
    command: string,
    dest: string,
    body: Uint8Array,
    answered: (body: Uint8Array) => void,
    failed: (error: ImError) => void,
    meta?: readonly Meta[],
  ): void;
  /** A request whose answer nobody waits for. */
  post(command: string, body: Uint8Array): void;
}

export interface ConnectionEvents {
  push(packet: LogicPacket): void;
  /** A pong told where the account's inbox ends. */
  head(pos: number): void;
  /** Exactly once, before open requests fail. */
  closed(why: CloseReason): void;
}

interface Pending {
  readonly answered: (body: Uint8Array) => void;
  readonly failed: (error: ImError) => void;
  readonly timer: Timer;
}

/**
 * One socket, from dialling to its end: matches answers to requests by sequence, keeps the heartbeat, decodes.
 *
 *   opening ──opened──► open ──┐   requests made while opening leave when it is open
 *      └──────── close / lost ─┴─► ended: closed(why) once, then every open request fails with CLOSED
 */
export class Connection implements Requests {
  readonly codec: BodyCodec;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #events: ConnectionEvents;
  readonly #pending = new Map<number, Pending>();
  #socket: ClientSocket | undefined;
  #waiting: Uint8Array[] | undefined = [];
  #sequence = 0;
  #ended: CloseReason | undefined;
  #heartbeat: Timer | undefined;
  #silence: Timer | undefined;

  constructor(
    url: string,
    connect: Connect,
    codec: BodyCodec,
    clock: Clock,
    log: Logger,
    events: ConnectionEvents,
  ) {
    this.codec = codec;
    this.#clock = clock;
    this.#log = log;
    this.#events = events;
    try {
      this.#socket = connect(url, {
        opened: () => this.#opened(),
        packet: (bytes) => this.#received(bytes),
        closed: (code, reason) => {
          this.#end(this.#waiting && code === CLOSE.GONE.code ? LOST.NOT_OPENED : closeReason(code, reason));
        },
      });
    } catch (thrown) {
      // Told like any other failure to connect, after the constructor: the owner does not have the connection yet.
      log.warn("cannot connect", { url, error: ImError.from(thrown) });
      clock.after(0, () => this.#end(LOST.NOT_OPENED));
    }
  }

  /** Why it is over, as long as it is not undefined. */
  get ended(): CloseReason | undefined {
    return this.#ended;
  }

  request(
    command: string,
    dest: string,
    body: Uint8Array,
    answered: (body: Uint8Array) => void,
    failed: (error: ImError) => void,
    meta: readonly Meta[] = NO_META,
  ): void {
    if (this.#ended) {
      const error = closed(this.#ended);
      return void this.#clock.after(0, () => failed(error));
    }
    const sequence = this.#next();
    const timer = this.#clock.after(ANSWER_MS, () => this.close(LOST.NO_ANSWER));
    this.#pending.set(sequence, { answered, failed, timer });
    this.#send(encodeLogic(makeHeader(command, { sequence, dest, meta }), body));
  }

  post(command: string, body: Uint8Array): void {
    this.#send(encodeLogic(makeHeader(command, { sequence: this.#next() }), body));
  }

  /** Pings that often from now on; no frame within 10 s of a ping ends the connection. */
  startHeartbeat(everyMs: number): void {
    this.#heartbeat?.stop();
    this.#heartbeat = this.#clock.every(everyMs, () => this.probe());
  }

  /** Pings now; no frame within that time ends the connection. */
  probe(waitMs: number = PONG_MS): void {
    if (this.#ended || this.#waiting) return;
    this.#send(PING);
    this.#silence ??= this.#clock.after(waitMs, () => this.close(LOST.SILENT));
  }

  /** Ends it from our side. Closing twice is harmless. */
  close(why: CloseReason): void {
    if (this.#ended) return;
    this.#socket?.close(why);
    this.#end(why);
  }

  #next(): number {
    this.#sequence = this.#sequence % 0xffff_ffff + 1;
    return this.#sequence;
  }

  #send(packet: Uint8Array): void {
    if (this.#ended) return;
    if (this.#waiting) this.#waiting.push(packet);
    else this.#socket?.send(packet);
  }

  #opened(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const packet of waiting) this.#send(packet);
  }

  #received(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.#silence?.stop();
    this.#silence = undefined;
    try {
      const packet = decodePacket(bytes, LIMITS.link);
      if (packet.kind === "basic") this.#pong(packet);
      else if (packet.header.flag === FLAG.RESPONSE) this.#answer(packet);
      else if (packet.header.flag === FLAG.PUSH) this.#events.push(packet);
    } catch (thrown) {
      // What cannot be read may be what we wait for: begin anew rather than miss it silently.
      this.#log.warn("cannot read packet", { bytes: bytes.length, error: ImError.from(thrown) });
      this.close({ ...CLOSE.BAD_DATA, reconnect: true });
    }
  }

  #pong(packet: BasicPacket): void {
    if (packet.code !== BASIC.PONG || packet.body.length !== 8) return;
    const { buffer, byteOffset } = packet.body;
    this.#events.head(Number(new DataView(buffer, byteOffset).getBigUint64(0)));
  }

  #answer(packet: LogicPacket): void {
    const { sequence } = packet.header;
    const pending = this.#pending.get(sequence);
    const error = errorOf(packet, this.codec);
    if (pending) {
      this.#pending.delete(sequence);
      pending.timer.stop();
      if (error) pending.failed(error);
      else this.#answered(sequence, pending, packet.body);
    }
    if (error?.code === "SESSION_LOST") this.close(LOST.SESSION);
  }

  #answered(sequence: number, pending: Pending, body: Uint8Array): void {
    try {
      pending.answered(body);
    } catch (thrown) {
      if (!this.#ended) this.#pending.set(sequence, pending); // unreadable: fails with the connection
      throw thrown;
    }
  }

  #end(why: CloseReason): void {
    if (this.#ended) return;
    this.#ended = why;
    this.#heartbeat?.stop();
    this.#silence?.stop();
    this.#waiting = undefined;
    this.#events.closed(why);
    const open = [...this.#pending.values()];
    this.#pending.clear();
    for (const { timer, failed } of open) {
      timer.stop();
      failed(closed(why));
    }
  }
}

function closed(why: CloseReason): ImError {
  return new ImError("CLOSED", `Connection is closed: ${why.reason}`);
}
