import fs from "node:fs";
import type { OptionSpec } from "./options.ts";

/** Of commands that can record one. */
export const HISTORY_FILE: OptionSpec = {
  name: "history",
  value: "FILE",
  help: "also keep everything that was seen, for `check`",
};

/**
 * What clients saw, as a list of events; ids are decimal strings, `at` is milliseconds of one clock. A *body id* names
 * a message by its text (every message of a history has another), a *message id* is the server's.
 * As a file: one event per line, JSON, in the order they happened.
 */
export type HistoryEvent =
  | SendEvent
  | AckEvent
  | NoAnswerEvent
  | OnlineEvent
  | ScreenEvent
  | InboxEvent;

/** A client begins to send a message, or sends it again: every attempt has a number of its own. */
export interface SendEvent {
  readonly event: "send";
  readonly at: number;
  readonly attempt: number;
  /** Account, and the connection it used: "channel" in the checker's definitions. */
  readonly client: string;
  readonly conn: string;
  /** Body id. */
  readonly id: string;
  /** Account or group id of the header. */
  readonly dest: string;
  /** Who must get it; absent: `dest` alone. */
  readonly to?: readonly string[];
  /** To a large group, whose inbox rows are made when they are first needed: its order counts within the group. */
  readonly apart?: true;
  /** Client message id: attempts that share one are the same message to the server. */
  readonly key?: string;
}

/** The answer to an attempt. Status 0: stored; anything else: not stored, and never will be. */
export interface AckEvent {
  readonly event: "ack";
  readonly at: number;
  readonly attempt: number;
  readonly status: number;
  /** Only with status 0. */
  readonly messageId?: string;
  readonly sendTime?: string;
}

/** No answer will come: the connection ended, or the client gave up. The message may be stored once, or not. */
export interface NoAnswerEvent {
  readonly event: "no answer";
  readonly at: number;
  readonly attempt: number;
}

/** From here to the end of the history this account shows everything it is pushed. */
export interface OnlineEvent {
  readonly event: "online";
  readonly at: number;
  readonly client: string;
  readonly conn: string;
}

/** A message appears on a client's screen: a push on a connection. */
export interface ScreenEvent {
  readonly event: "screen";
  readonly at: number;
  readonly client: string;
  readonly conn: string;
  readonly messageId: string;
  readonly id: string;
  readonly sender: string;
}

/** An account's inbox was read, page by page, in its order. */
export interface InboxEvent {
  readonly event: "inbox";
  /** When the reading began. */
  readonly at: number;
  readonly client: string;
  /** "index": received messages, by the old paging; "sync": both directions, by position. */
  readonly via: "index" | "sync";
  /** True: from the very beginning to the end. False: from a read position on. */
  readonly whole: boolean;
  readonly rows: readonly InboxRow[];
}

export interface InboxRow {
  readonly messageId: string;
  /** Body id. */
  readonly id: string;
  /** 0: received, 1: sent. */
  readonly direction: 0 | 1;
  /** Who sent it. */
  readonly sender: string;
  /** Position in the inbox, where the reading tells it. */
  readonly pos?: number;
}

/** Where clients write down what they see. */
export interface History {
  record(event: HistoryEvent): void;
}

/** Keeps events in memory. */
export class MemoryHistory implements History {
  readonly events: HistoryEvent[] = [];
  record(event: HistoryEvent): void {
    this.events.push(event);
  }
}

/** Writes events to a file as they come. */
export class FileHistory implements History, Disposable {
  readonly #fd: number;
  #waiting: string[] = [];

  constructor(file: string) {
    this.#fd = fs.openSync(file, "w");
  }
  record(event: HistoryEvent): void {
    this.#waiting.push(JSON.stringify(event), "\n");
    if (this.#waiting.length > 1000) this.flush();
  }
  flush(): void {
    fs.writeSync(this.#fd, this.#waiting.join(""));
    this.#waiting = [];
  }
  [Symbol.dispose](): void {
    this.flush();
    fs.closeSync(this.#fd);
  }
}

/** The events of a file, one by one. @throws {Error} naming the line that is no event. */
export function* readHistory(file: string): Generator<HistoryEvent> {
  let number = 0;
  for (const line of linesOf(file)) {
    number++;
    if (line === "") continue;
    try {
      const event: unknown = JSON.parse(line);
      if (!isEvent(event)) throw new Error("not an event of a history");
      yield event;
    } catch (cause) {
      throw new Error(`Cannot read ${file}, line ${number}: ${(cause as Error).message}`, { cause });
    }
  }
}

const NEEDED: Readonly<Record<HistoryEvent["event"], Readonly<Record<string, string>>>> = {
  "send": { at: "number", attempt: "number", client: "string", conn: "string", id: "string", dest: "string" },
  "ack": { at: "number", attempt: "number", status: "number" },
  "no answer": { at: "number", attempt: "number" },
  "online": { at: "number", client: "string", conn: "string" },
  "screen": { at: "number", client: "string", conn: "string", messageId: "string", id: "string", sender: "string" },
  "inbox": { at: "number", client: "string", via: "string", whole: "boolean", rows: "object" },
};

function isEvent(value: unknown): value is HistoryEvent {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Record<string, unknown>;
  const name = fields["event"];
  if (typeof name !== "string" || !Object.hasOwn(NEEDED, name)) return false;
  return Object.entries(NEEDED[name as HistoryEvent["event"]]).every(([key, type]) => {
    const actual: string = typeof fields[key];
    return actual === type;
  });
}

function* linesOf(file: string): Generator<string> {
  const fd = fs.openSync(file, "r");
  try {
    const block = new Uint8Array(1 << 20);
    const decoder = new TextDecoder();
    let rest = "";
    for (let n = fs.readSync(fd, block); n > 0; n = fs.readSync(fd, block)) {
      const lines = (rest + decoder.decode(block.subarray(0, n), { stream: true })).split("\n");
      rest = lines.pop()!;
      yield* lines;
    }
    yield rest;
  } finally {
    fs.closeSync(fd);
  }
}
