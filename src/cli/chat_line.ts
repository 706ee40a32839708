import type { Clock } from "../base/clock.ts";
import type { Message } from "../sdk/message.ts";
import type { SentMessage } from "../sdk/sent_message.ts";
import { textWidth, wrapTo } from "./text_width.ts";

/** Wraps a text into the escape sequences of a style, or not. */
export interface Paint {
  dim(text: string): string;
  bold(text: string): string;
  name(text: string): string;
  good(text: string): string;
  bad(text: string): string;
}

export const PLAIN: Paint = { dim: asIs, bold: asIs, name: asIs, good: asIs, bad: asIs };

export const COLORS: Paint = {
  dim: (text) => `\x1b[2m${text}\x1b[22m`,
  bold: (text) => `\x1b[1m${text}\x1b[22m`,
  name: (text) => `\x1b[36m${text}\x1b[39m`,
  good: (text) => `\x1b[32m${text}\x1b[39m`,
  bad: (text) => `\x1b[31m${text}\x1b[39m`,
};

/** A conversation: with an account, or in a group (`peer` is its id). */
export interface Where {
  readonly peer: string;
  readonly group: boolean;
}

/** What a conversation is called: `bob`, `#lunch`. */
export type Title = (where: Where) => string;

/** The lines of a conversation: `12:03 bob: hi`. */
export class ChatLines {
  readonly #account: string;
  readonly #paint: Paint;
  readonly #clock: Pick<Clock, "now">;
  readonly #columns: () => number;
  readonly #title: Title;
  #day = "";

  /** @param columns how wide the terminal is now; rows are broken by us, so that no text looks like another line */
  constructor(
    account: string,
    paint: Paint,
    clock: Pick<Clock, "now">,
    columns: () => number = () => Infinity,
    title: Title = ({ peer, group }) => group ? `#${peer}` : peer,
  ) {
    this.#columns = columns;
    this.#title = title;
    this.#account = account;
    this.#paint = paint;
    this.#clock = clock;
  }

  /** A message of the inbox. `now` is where the person is talking. */
  message(message: Message, now: Where): string {
    const { sendTime, sender, group, own, body } = message;
    const to = same(message, now) ? "" : group ? ` in ${this.#title(message)}` : own ? ` → ${message.peer}` : "";
    return this.#line(Number(sendTime / 1_000_000n), `${sender}${to}`, own ? "" : "name", body, "");
  }

  /** A message of ours that is settled. */
  sent({ createdMs, receipt, dest, group, body, state, error }: SentMessage, now: Where): string {
    const ms = receipt ? Number(receipt.sendTime / 1_000_000n) : createdMs;
    const to = this.#to({ peer: dest, group }, now);
    const end = state === "durable"
      ? this.#paint.good(" ✓")
      : this.#paint.bad(` ✗ not sent: ${error?.message ?? "unknown"}`);
    return this.#line(ms, this.#account + to, "", body, end);
  }

  /** One that still waits, for the live part of the screen: without style, so that it can be cut. */
  waiting({ createdMs, dest, group, body }: SentMessage, now: Where): string {
    const who = this.#account + this.#to({ peer: dest, group }, now);
    return `${time(createdMs)} ${clean(who)}: ${clean(body).replaceAll("\n", " ")} …`;
  }

  /** Something that is not a message. */
  note(text: string): string {
    return this.#paint.dim(`${time(this.#clock.now())} ${text}`);
  }

  #to(where: Where, now: Where): string {
    return same(where, now) ? "" : ` → ${this.#title(where)}`;
  }

  #line(ms: number, who: string, style: "" | "name", body: string, end: string): string {
    who = clean(who);
    const head = `${time(ms)} ${who}: `;
    const shown = style === "name" ? this.#paint.name(who) : this.#paint.bold(who);
    const indent = textWidth(head);
    const text = wrapTo(clean(body), Math.max(10, this.#columns() - indent - 2)).join("\n" + " ".repeat(indent));
    return `${this.#newDay(ms)}${this.#paint.dim(time(ms))} ${shown}: ${text}${end}`;
  }

  /** A line with the date above the first message of a day, unless that is today and nothing was shown yet. */
  #newDay(ms: number): string {
    const day = date(ms);
    if (day === this.#day) return "";
    const first = this.#day === "";
    this.#day = day;
    return first && day === date(this.#clock.now()) ? "" : this.#paint.dim(`── ${day} ──`) + "\n";
  }
}

/**
 * A text of somebody else as it may be shown: line ends stay, tabs become spaces, other controls (which could move the
 * cursor or change colours) and marks that turn the direction of writing become `·`.
 */
export function clean(text: string): string {
  return text.replaceAll(/\r\n?/g, "\n").replaceAll("\t", "    ").replaceAll(UNSAFE, "·");
}

// deno-lint-ignore no-control-regex
const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** `12:03`, local time. */
function time(ms: number): string {
  const at = new Date(ms);
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** `2026-11-21`, local time. */
function date(ms: number): string {
  const at = new Date(ms);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}

function asIs(text: string): string {
  return text;
}

/** Is it the same conversation? */
export function same(one: Where, other: Where): boolean {
  return one.peer === other.peer && one.group === other.group;
}
