import { Backoff } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import * as pkt from "../protocol/gen/pkt_messages.ts";
import { STATUS } from "../protocol/status.ts";
import { GROUP_TALK, USER_TALK } from "./commands.ts";
import type { Requests } from "./connection.ts";
import { Outgoing, type Receipt, type SentMessage } from "./sent_message.ts";
import type { SavedMessage } from "./storage.ts";

export interface OutboxOptions {
  /** Messages that may wait, over all destinations. */
  readonly most: number;
  /** A message that the server keeps refusing (300, 302) fails after so long. */
  readonly refusedMs: number;
}

/** What the outbox tells its owner. */
export interface OutboxEvents {
  /** The state of a message changed. */
  sent(message: SentMessage): void;
  /** A message of ours is stored; told before it is settled. `pos`: of our own inbox; undefined: it comes there itself. */
  stored(message: SentMessage, receipt: Receipt, pos: number | undefined): void;
  /** A message was settled: it need not be saved any more. */
  settled(id: string): void;
}

/** Requests on their way at once, over all destinations: the server stores what came meanwhile in one batch. */
const WINDOW = 64;
/**
 * The server knows client ids for 7 days; after that the same id would be stored a second time. Counted in monotonic
 * time; only for what an earlier run left there is nothing but the wall clock, which may be wrong by a day.
 */
const ID_LIVES_MS = 6 * 24 * 3_600_000;

/** Messages to one destination: the first is on its way, the others wait behind it. */
interface Queue {
  readonly key: string;
  readonly messages: Outgoing[];
  busy: boolean;
  /** The first was refused: not before this. */
  pause: Timer | undefined;
  backoff: Backoff | undefined;
  refusedAt: number;
}

/**
 * Messages that are not settled yet. Per destination one request is in flight, so their order is the order they were
 * said in; after a lost connection the same ids are sent again, and the server answers what it stored the first time.
 */
export class Outbox {
  readonly #events: OutboxEvents;
  readonly #options: OutboxOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #byId = new Map<string, Outgoing>();
  readonly #queues = new Map<string, Queue>();
  /** Queues that could send but for the connection or the window. */
  readonly #ready = new Set<Queue>();
  #requests: Requests | undefined;
  #inFlight = 0;

  /** BUSY speaks of the account, not of one destination: nothing is sent until this is over. */
  #calm: Timer | undefined;
  #calmBackoff: Backoff | undefined;

  constructor(events: OutboxEvents, options: OutboxOptions, clock: Clock, random: () => number) {
    this.#events = events;
    this.#options = options;
    this.#clock = clock;
    this.#random = random;
  }

  /** Everything that is not settled, in the order it was said. */
  get waiting(): readonly SentMessage[] {
    return [...this.#byId.values()];
  }

  /** The same, as a storage keeps it. */
  get saved(): readonly SavedMessage[] {
    return Array.from(this.#byId.values(), (message) => message.saved());
  }

  get full(): boolean {
    return this.#byId.size >= this.#options.most;
  }

  /** Behind the others to the same destination. */
  add(message: Outgoing): void {
    const queue = this.#enqueue(message);
    if (!queue.busy && !queue.pause) this.#ready.add(queue);
    this.#pump();
  }

  /**
   * What an earlier run left: before everything said since (which may be saved by now, too). Only while nothing is
   * being sent. Each is told as "sending".
   */
  restore(saved: readonly SavedMessage[]): void {
    const messages = saved.filter(({ id }) => !this.#byId.has(id)).map((one) => {
      const ageMs = Math.max(0, this.#clock.now() - one.createdMs);
      const message = new Outgoing(one, this.#clock.mono() - ageMs);
      message.tried = true; // maybe
      return message;
    });
    const later = [...this.#byId.values()];
    this.#byId.clear();
    this.#queues.clear();
    this.#ready.clear();
    for (const message of [...messages, ...later]) this.add(message);
    for (const message of messages) this.#events.sent(message);
  }

  start(requests: Requests): void {
    this.#requests = requests;
    this.#pump();
  }

  /** What is in flight comes back when its requests fail. */
  stop(): void {
    this.#requests = undefined;
  }

  /**
   * The message of that id was seen in our own inbox: its answer was lost, but it is stored. Tells whether the id is
   * one that waits here.
   */
  settle(id: string, receipt: Receipt): boolean {
    const message = this.#byId.get(id);
    if (message) this.#stored(message, receipt, undefined);
    return message !== undefined;
  }

  /** Nothing is sent any more; all that waits fails. */
  close(error: ImError): void {
    this.#requests = undefined;
    for (const queue of this.#queues.values()) queue.pause?.stop();
    this.#calm?.stop();
    this.#ready.clear();
    for (const message of [...this.#byId.values()]) {
      this.#byId.delete(message.id);
      message.failed(error);
      this.#events.sent(message);
    }
  }

  #enqueue(message: Outgoing): Queue {
    this.#byId.set(message.id, message);
    const key = `${message.group ? GROUP_TALK : USER_TALK} ${message.dest}`;
    let queue = this.#queues.get(key);
    if (!queue) {
      queue = { key, messages: [], busy: false, pause: undefined, backoff: undefined, refusedAt: 0 };
      this.#queues.set(key, queue);
    }
    queue.messages.push(message);
    return queue;
  }

  #pump(): void {
    for (const queue of this.#ready) {
      const requests = this.#requests;
      if (!requests || this.#calm || this.#inFlight >= WINDOW) return;
      this.#ready.delete(queue);
      const message = this.#first(queue);
      if (message) this.#send(requests, queue, message);
    }
  }

  /** The first that is not settled yet. A queue that has none is forgotten. */
  #first(queue: Queue): Outgoing | undefined {
    for (let message = queue.messages[0]; message; message = queue.messages[0]) {
      if (message.state === "sending") {
        if (!message.tried || this.#clock.mono() - message.bornMs < ID_LIVES_MS) return message;
        this.#failed(message, new ImError("TIMEOUT", "Cannot send: the message has waited for six days"));
      }
      queue.messages.shift();
    }
    this.#queues.delete(queue.key);
    return undefined;
  }

  #send(requests: Requests, queue: Queue, message: Outgoing): void {
    const { id, dest, group, type, body, extra } = message;
    queue.busy = message.tried = true;
    this.#inFlight++;
    requests.request(
      group ? GROUP_TALK : USER_TALK,
      dest,
      requests.codec.encode(pkt.MessageReq, { type, body, extra, clientMsgId: id }),
      (answer) => {
        const { messageId, sendTime, seq, userSeq } = requests.codec.decode(pkt.MessageResp, answer);
        queue.backoff = this.#calmBackoff = undefined;
        this.#stored(message, { messageId, sendTime, seq }, userSeq);
        this.#free(queue);
      },
      (error) => {
        this.#refused(queue, message, error);
        this.#free(queue);
      },
    );
  }

  /** The request of a queue's first message is over, one way or another. */
  #free(queue: Queue): void {
    queue.busy = false;
    this.#inFlight--;
    if (!queue.pause) this.#ready.add(queue);
    this.#pump();
  }

  #refused(queue: Queue, message: Outgoing, error: ImError): void {
    if (message.state !== "sending" || error.code === "CLOSED" || error.code === "SESSION_LOST") return; // again, later
    if (error.code === "BUSY") this.#calmDown();
    const retry = error.code in STATUS && STATUS[error.code as keyof typeof STATUS].retry;
    const now = this.#clock.mono();
    if (!queue.backoff) {
      queue.backoff = new Backoff(this.#random);
      queue.refusedAt = now;
    }
    if (!retry || now - queue.refusedAt >= this.#options.refusedMs) {
      queue.backoff = undefined;
      return this.#failed(message, error);
    }
    queue.pause = this.#clock.after(queue.backoff.next(), () => {
      queue.pause = undefined;
      this.#ready.add(queue);
      this.#pump();
    });
  }

  #calmDown(): void {
    if (this.#calm) return;
    this.#calmBackoff ??= new Backoff(this.#random);
    this.#calm = this.#clock.after(this.#calmBackoff.next(), () => {
      this.#calm = undefined;
      this.#pump();
    });
  }

  #stored(message: Outgoing, receipt: Receipt, pos: number | undefined): void {
    this.#events.stored(message, receipt, pos);
    if (!this.#byId.delete(message.id)) return;
    message.stored(receipt);
    this.#events.settled(message.id);
    this.#events.sent(message);
  }

  #failed(message: Outgoing, error: ImError): void {
    if (!this.#byId.delete(message.id)) return;
    message.failed(error);
    this.#events.settled(message.id);
    this.#events.sent(message);
  }
}
