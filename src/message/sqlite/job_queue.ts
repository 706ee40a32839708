import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { AppendRequest, AppendResult, StoreHealth } from "../message_store.ts";
import type { Lane } from "./lane.ts";
import {
  type Ack,
  ASK,
  packAck,
  packOp,
  packWrite,
  readAnswer,
  readDone,
  readError,
  readState,
  REPLY,
  type WriterState,
} from "./messages.ts";
import { type Op, shareOf } from "./ops.ts";
import { Packer, type Unpacker } from "./wire.ts";

/** Most messages and acks of one job, which is one transaction. */
const JOB_WRITES = 256, JOB_ACKS = 500;
/** Bytes made ready for a job at most, whatever the last one took. */
const MOST_GUESSED = 1 << 20;

const UNTOUCHED: WriterState = {
  problem: "",
  writable: true,
  waitingRows: 0,
  waitingLogs: 0,
  cachedLogs: 0,
  rememberedKeys: 0,
  commits: 0,
  failedCommits: 0,
  behind: false,
};

interface Append {
  readonly batch: readonly AppendRequest[];
  readonly results: AppendResult[];
  /** How many of the batch were put into a job. */
  sent: number;
  readonly resolve: (results: AppendResult[]) => void;
  readonly reject: (error: ImError) => void;
}

interface WaitingOp {
  readonly op: Op;
  /** Monotonic ms. */
  readonly startBy: number;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface WaitingAck {
  readonly ack: Ack;
  readonly resolve: (pos: number) => void;
  readonly reject: (error: ImError) => void;
}

interface JobPart {
  readonly append: Append;
  readonly from: number;
  readonly to: number;
}

interface Sent {
  readonly parts: readonly (JobPart | WaitingOp)[];
  readonly acks: readonly WaitingAck[];
}

export interface JobQueueDeps {
  readonly clock: Clock;
  readonly writer: Lane;
  readonly failed: Promise<Error>;
  readonly changed: (health: StoreHealth) => void;
}

/**
 * Appends, ops and acks in front of the writer: what one turn of the event loop asks for is one job, one job at a time.
 * Appends and ops keep their order.
 */
export class JobQueue {
  readonly #deps: JobQueueDeps;
  #items: (Append | WaitingOp)[] = [];
  #acks: WaitingAck[] = [];
  #queued = 0;
  /** A job will be sent at the end of this turn, or is with the writer. */
  #busy = false;
  #closing: PromiseWithResolvers<void> | undefined;
  #state = UNTOUCHED;
  #stopped: Error | undefined;
  /** Of the last job: the next one will be about as large. */
  #jobBytes = 4096;

  constructor(deps: JobQueueDeps) {
    this.#deps = deps;
    void deps.failed.then((why) => this.#stop(why));
  }

  /** Messages that are not with the writer yet. */
  get queued(): number {
    return this.#queued;
  }

  get state(): WriterState {
    return this.#state;
  }

  health(): StoreHealth {
    const problem = this.#stopped ? `The store has stopped: ${this.#stopped.message}` : this.#state.problem;
    return { writable: problem === "", problem: problem === "" ? undefined : problem };
  }

  append(batch: readonly AppendRequest[]): Promise<AppendResult[]> {
    if (this.#closing) return Promise.reject(closed());
    if (batch.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      this.#queued += batch.length;
      this.#items.push({ batch, results: [], sent: 0, resolve, reject });
      this.#wake();
    });
  }

  /** Rejects with the ImError of the writer. The answer is JSON. */
  op(op: Op, startBy = Infinity): Promise<unknown> {
    if (this.#closing) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      this.#items.push({ op, startBy, resolve, reject });
      this.#wake();
    });
  }

  ack(ack: Ack): Promise<number> {
    if (this.#closing) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      this.#acks.push({ ack, resolve, reject });
      this.#wake();
    });
  }

  /** Takes nothing more; resolves when everything taken has been answered. */
  close(): Promise<void> {
    this.#closing = Promise.withResolvers<void>();
    if (!this.#busy) this.#closing.resolve();
    return this.#closing.promise;
  }

  #wake(): void {
    if (this.#busy) return;
    this.#busy = true;
    queueMicrotask(() => this.#send());
  }

  #send(): void {
    const sent: Sent = { parts: this.#take(), acks: this.#acks.splice(0, JOB_ACKS) };
    const job = this.#pack(sent);
    this.#jobBytes = Math.min(job.length, MOST_GUESSED);
    this.#deps.writer.call(job).then(
      (reply) => this.#answered(sent, reply),
      (error: unknown) => this.#refused(sent, ImError.from(error)),
    );
  }

  #take(): (JobPart | WaitingOp)[] {
    const parts: (JobPart | WaitingOp)[] = [];
    for (let room = JOB_WRITES; room > 0;) {
      const next = this.#items[0];
      if (!next) break;
      if ("op" in next) {
        const share = shareOf(next.op);
        if (share > room && parts.length > 0) break;
        parts.push(next);
        room -= share;
        this.#items.shift();
        continue;
      }
      const from = next.sent;
      next.sent = Math.min(next.batch.length, from + Math.floor(Math.max(room, 1)));
      parts.push({ append: next, from, to: next.sent });
      room -= next.sent - from;
      this.#queued -= next.sent - from;
      if (next.sent === next.batch.length) this.#items.shift();
    }
    return parts;
  }

  #pack({ parts, acks }: Sent): Packer {
    const job = new Packer(this.#jobBytes + (this.#jobBytes >> 2));
    const now = this.#deps.clock.mono();
    job.u8(ASK.write);
    job.i32(parts.reduce((sum, part) => sum + ("op" in part ? 1 : part.to - part.from), 0));
    let app = "";
    for (const part of parts) {
      if ("op" in part) {
        packOp(job, now > part.startBy ? late(part.op) : part.op);
        continue;
      }
      for (let i = part.from; i < part.to; i++) {
        const one = part.append.batch[i]!;
        packWrite(job, one, now > one.startBy, app);
        app = one.app;
      }
    }
    job.i32(acks.length);
    for (const { ack } of acks) packAck(job, ack);
    return job;
  }

  #answered({ parts, acks }: Sent, reply: Unpacker): void {
    const lists: (readonly string[])[] = [];
    for (const part of parts) {
      if ("op" in part) settle(part, reply);
      else {
        for (let i = part.from; i < part.to; i++) part.append.results.push(readAnswer(reply, lists));
        finish(part.append);
      }
    }
    for (const one of acks) {
      if (reply.u8() === REPLY.ok) one.resolve(reply.num());
      else one.reject(readError(reply));
    }
    const before = this.#state.problem;
    this.#state = readState(reply);
    if (before !== this.#state.problem) this.#deps.changed(this.health());
    this.#next();
  }

  /** What came again may be stored, and nobody can look: that is no refusal. */
  #refused({ parts, acks }: Sent, error: ImError): void {
    for (const part of parts) {
      if ("op" in part) part.reject("again" in part.op && part.op.again ? closed() : error);
      else if (part.append.batch.some((one) => one.again)) part.append.reject(closed());
      else {
        for (let i = part.from; i < part.to; i++) part.append.results.push(error);
        finish(part.append);
      }
    }
    for (const one of acks) one.reject(error);
    this.#next();
  }

  #next(): void {
    this.#busy = false;
    // An empty job lets the writer write what waits in its memory.
    if (this.#items.length > 0 || this.#acks.length > 0 || (this.#state.behind && !this.#stopped && !this.#closing)) {
      this.#wake();
    } else this.#closing?.resolve();
  }

  /** The job that is with the writer is never answered. Those behind it are refused by the lane. */
  #stop(why: Error): void {
    this.#stopped = why;
    this.#deps.changed(this.health());
    if (this.#busy) this.#next();
  }
}

function late(op: Op): Op {
  return op.do === "create" || op.do === "join" || op.do === "quit" ? { ...op, late: true } : op;
}

function finish(append: Append): void {
  if (append.results.length === append.batch.length) append.resolve(append.results);
}

function settle({ resolve, reject }: WaitingOp, reply: Unpacker): void {
  try {
    resolve(readDone(reply));
  } catch (error) {
    reject(error);
  }
}

/** The answer to a call after the store was closed. */
export function closed(): ImError {
  return new ImError("CLOSED", "Cannot use the store: it is closed");
}
