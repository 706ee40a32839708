import { ImError } from "../base/errors.ts";
import { TEXT } from "../protocol/limits.ts";
import { codePoints, isName } from "../protocol/names.ts";
import type { SavedMessage } from "./storage.ts";

/** What the server answered: the message is stored and synced. */
export interface Receipt {
  readonly messageId: bigint;
  /** Unix nanoseconds. */
  readonly sendTime: bigint;
  /** Dense number within the conversation. */
  readonly seq: number;
}

/** "sending" until the server has answered; then it is stored ("durable"), or it never will be ("failed"). */
export type SentState = "sending" | "durable" | "failed";

/** A message this client was told to send. */
export interface SentMessage {
  /** Client message id: the same for every attempt, so that the message is stored once. */
  readonly id: string;
  readonly dest: string;
  readonly group: boolean;
  readonly type: number;
  readonly body: string;
  readonly extra: string;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  readonly state: SentState;
  /** When durable. */
  readonly receipt: Receipt | undefined;
  /** When failed. */
  readonly error: ImError | undefined;
  /** Rejects with `error`. Need not be awaited: a failure nobody waits for is not an unhandled rejection. */
  readonly done: Promise<Receipt>;
}

/** The outbox's side of it: settled once, then never again. */
export class Outgoing implements SentMessage {
  readonly id: string;
  readonly dest: string;
  readonly group: boolean;
  readonly type: number;
  readonly body: string;
  readonly extra: string;
  readonly createdMs: number;
  readonly done: Promise<Receipt>;
  state: SentState = "sending";
  receipt: Receipt | undefined;
  error: ImError | undefined;
  /** Has it been sent once, so that the server may know its id? */
  tried = false;
  /** When it was said, in monotonic time. */
  readonly bornMs: number;
  readonly #resolve: (receipt: Receipt) => void;
  readonly #reject: (error: ImError) => void;

  constructor({ id, dest, group, type, body, extra, createdMs }: SavedMessage, bornMs: number) {
    this.bornMs = bornMs;
    this.id = id;
    this.dest = dest;
    this.group = group;
    this.type = type;
    this.body = body;
    this.extra = extra;
    this.createdMs = createdMs;
    const { promise, resolve, reject } = Promise.withResolvers<Receipt>();
    this.done = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    promise.catch(() => {}); // `state` and the event "sent" tell it too
  }

  stored(receipt: Receipt): void {
    this.state = "durable";
    this.receipt = receipt;
    this.#resolve(receipt);
  }

  failed(error: ImError): void {
    this.state = "failed";
    this.error = error;
    this.#reject(error);
  }

  /** What a storage keeps of it. */
  saved(): SavedMessage {
    const { id, dest, group, type, body, extra, createdMs } = this;
    return { id, dest, group, type, body, extra, createdMs };
  }
}

/**
 * Why the server would refuse it whatever happens; undefined: it would not. Where nobody checks types anything may come:
 * what cannot be encoded must not get in front of messages that can.
 */
export function checkMessage({ dest, type, body, extra }: SentMessage): ImError | undefined {
  if (dest === "") return new ImError("NO_DESTINATION", "Cannot talk: dest is empty");
  if (typeof dest !== "string" || !isName(dest)) return invalid("dest is not a legal name");
  if ((type | 0) !== type) return invalid("type is no 32-bit integer");
  return checkText("body", body, TEXT.body) ?? checkText("extra", extra, TEXT.extra);
}

function checkText(field: string, text: string, most: number): ImError | undefined {
  if (typeof text !== "string") return invalid(`${field} is not a text`);
  return codePoints(text, most) <= most ? undefined : invalid(`${field} is longer than ${most} characters`);
}

function invalid(why: string): ImError {
  return new ImError("INVALID_BODY", `Cannot talk: ${why}`);
}
