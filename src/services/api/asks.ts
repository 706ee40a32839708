import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Counter, Metrics } from "../../base/metrics.ts";
import type { Downward, Uplink, Upward } from "../../container/link.ts";
import type { Selector } from "../../container/selector.ts";
import type { BodyType } from "../../protocol/bodies.ts";
import { decodeAs, encodeAs } from "../../protocol/content.ts";
import { crc32 } from "../../protocol/crc32.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, makeHeader } from "../../protocol/header.ts";
import { STATUS, statusName } from "../../protocol/status.ts";

/** A command in the name of an account; "" for what no account asks (`im.group`). */
export interface Ask<Req, Res> {
  readonly app: string;
  readonly account: string;
  /** Spreads what no account asks over the servers. Default: the account. */
  readonly spread?: string;
  /** A row of protocol/commands.ts. */
  readonly command: { readonly name: string; readonly request: BodyType<Req>; readonly response: BodyType<Res> };
  readonly body: Partial<Req>;
  readonly dest?: string;
}

export interface AsksOptions {
  /** Service id of this process, to which answers are sent. */
  readonly gateId: string;
  /** One run of it; makes its request keys unlike those of the run before. */
  readonly incarnation: string;
  /** Requests that may wait for answers at once. */
  readonly most: number;
  readonly selector: Selector;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** An answer that has not come by then is not waited for. */
export const ANSWER_MS = 5_000;
/** Work that has not begun by then is refused. */
const START_MS = 4_000;
/** A request is sent to so many servers, one after the other. */
const MOST_SENDS = 4;
const TICK_MS = 100;
/** Request keys are counted in so many rows: one row for all would make its requests wait for each other in the store. */
const LANES = 64;
/** Chat servers that read nothing but protobuf are KIM's, and know no requests without a channel. */
const CONTENT = "json";

/** Numbers of the requests of one scope; what waits, in order. */
interface Lane {
  readonly scope: string;
  next: number;
  readonly waiting: Set<number>;
}

interface Waiting {
  readonly upward: Upward;
  readonly spread: string;
  readonly deadlineMs: number;
  /** Undefined: its server went, and there is none to send it to yet. */
  link: Uplink | undefined;
  sends: number;
  readonly done: (answer: Downward | ImError) => void;
}

/**
 * Requests to logic servers and their answers. A request whose link breaks is sent to another server with the same key,
 * which the store recognises; every one ends within 5 s.
 */
export class Asks {
  readonly #options: AsksOptions;
  readonly #lanes: readonly Lane[];
  /** By sequence, in the order they were asked, which is that of their deadlines. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #again: Counter;
  readonly #timer: { stop(): void };
  #sequence = 0;

  constructor(options: AsksOptions) {
    this.#options = options;
    const { gateId, incarnation, clock, metrics } = options;
    this.#lanes = Array.from({ length: LANES }, (_, lane) => {
      return { scope: `${gateId}_${incarnation}_${lane}`, next: 1, waiting: new Set<number>() };
    });
    this.#again = metrics.counter("petrel_api_reforwarded_total", "Requests sent again because their link broke");
    metrics.gauge("petrel_api_unanswered", "Requests that wait for a chat server", () => this.#waiting.size);
    this.#timer = clock.every(TICK_MS, () => this.#tick());
  }

  get size(): number {
    return this.#waiting.size;
  }

  /**
   * The answer's body. @throws {ImError} the answer's status; BUSY: it was not sent, or is certainly not done; TIMEOUT:
   * whether it was done is not known.
   */
  ask<Req, Res>(
    { app, account, spread = account, command: { name, request, response }, body, dest = "" }: Ask<Req, Res>,
  ): Promise<Res> {
    const { most, selector, clock, gateId } = this.#options;
    if (this.#waiting.size >= most) return Promise.reject(busy("too many requests at once"));
    const link = selector.pick(app, spread, CONTENT);
    if (!link) return Promise.reject(busy("no chat server is ready"));
    do this.#sequence = (this.#sequence + 1) >>> 0; while (this.#waiting.has(this.#sequence));
    const sequence = this.#sequence;
    const lane = this.#lanes[crc32(spread) % LANES]!;
    const n = lane.next++;
    lane.waiting.add(n);
    const [low = n] = lane.waiting;
    const now = clock.mono();
    const upward: Upward = {
      header: makeHeader(name, { sequence, dest }),
      body: encodeAs(CONTENT, request, body),
      app,
      account,
      device: "",
      caps: true,
      content: CONTENT,
      gateId,
      key: { scope: lane.scope, n, low },
      startBy: now + START_MS,
      again: false,
    };
    return new Promise<Res>((resolve, reject) => {
      const done = (answer: Downward | ImError) => {
        this.#waiting.delete(sequence);
        lane.waiting.delete(n);
        try {
          resolve(read(response, answer));
        } catch (thrown) {
          reject(thrown);
        }
      };
      const waiting: Waiting = { upward, spread, deadlineMs: now + ANSWER_MS, link, sends: 1, done };
      this.#waiting.set(sequence, waiting); // a link in memory may answer at once
      if (!link.send(upward)) done(busy("the chat server's link is full"));
    });
  }

  answered(packet: Downward): void {
    const { command, sequence, flag, status } = packet.header;
    if (flag !== FLAG.RESPONSE || packet.channels.length > 0) return; // a push: there are no channels here
    const waiting = this.#waiting.get(sequence);
    if (waiting?.upward.header.command !== command) return;
    // The server before it may have done it: "not done" of the second says nothing about that.
    const unsure = waiting.sends > 1 && (status === STATUS.BUSY.wire || status === STATUS.SYSTEM.wire);
    waiting.done(unsure ? unknown() : packet);
  }

  /** The link is gone: what waits for it goes to other servers, in order. */
  lost(link: Uplink): void {
    for (const waiting of this.#waiting.values()) if (waiting.link === link) waiting.link = undefined;
    this.resend();
  }

  /** Sends what has no server. Called when there may be one. */
  resend(): void {
    const { selector } = this.#options;
    for (const waiting of [...this.#waiting.values()]) {
      if (waiting.link || waiting.sends >= MOST_SENDS) continue;
      const link = selector.pick(waiting.upward.app, waiting.spread, CONTENT);
      if (!link) continue;
      waiting.link = link;
      waiting.sends++;
      this.#again.inc();
      if (!link.send({ ...waiting.upward, again: true })) {
        waiting.link = undefined;
        waiting.sends--;
      }
    }
  }

  /** Nothing more is waited for. */
  [Symbol.dispose](): void {
    this.#timer.stop();
    for (const waiting of [...this.#waiting.values()]) waiting.done(unknown());
  }

  #tick(): void {
    const now = this.#options.clock.mono();
    let parked = false;
    for (const waiting of this.#waiting.values()) {
      if (waiting.deadlineMs <= now) waiting.done(unknown());
      else parked ||= waiting.link === undefined;
    }
    if (parked) this.resend();
  }
}

/** @throws {ImError} */
function read<T>(type: BodyType<T>, answer: Downward | ImError): T {
  if (answer instanceof ImError) throw answer;
  const { status } = answer.header;
  if (status === STATUS.SUCCESS.wire) return readDone(type, answer.body);
  let message = "Cannot do this";
  try {
    message = decodeAs(CONTENT, pkt.ErrorResp, answer.body).message || message;
  } catch {
    // a status without a text that can be read is still a status
  }
  const code = statusName(status);
  throw new ImError(code === undefined || code === "SUCCESS" ? "SYSTEM" : code, message);
}

/** @throws {ImError} TIMEOUT: it was done, but the answer says nothing that can be read. */
function readDone<T>(type: BodyType<T>, body: Uint8Array): T {
  try {
    return decodeAs(CONTENT, type, body);
  } catch (cause) {
    throw unknown(cause);
  }
}

function busy(why: string): ImError {
  return new ImError("BUSY", `Cannot do this now, nothing was done: ${why}; try again`);
}

function unknown(cause?: unknown): ImError {
  const message = "No answer in time: whether it was done is not known. Ask again, messages with their clientMsgId";
  return new ImError("TIMEOUT", message, { cause });
}
