import type { Clock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import * as pkt from "../protocol/gen/pkt_messages.ts";
import type { Asker, Question } from "./asker.ts";
import { CONVERSATIONS, HISTORY, READ } from "./commands.ts";
import { type Message, messageOfRow } from "./message.ts";

/** A line of the account's list of conversations: with another account, or in a group. */
export interface Conversation {
  /** The other account, or the group's id. */
  readonly peer: string;
  readonly group: boolean;
  /** Seq of its last message, 0 for none. */
  readonly head: number;
  /** Undefined: none that this account may see. */
  readonly last: Message | undefined;
  /** Read position of this account: the seq up to which everything was read. */
  readonly read: number;
  /** Others' messages above `read`, counted up to 1,000. */
  readonly unread: number;
  /** Of a group; else "" and 0. */
  readonly name: string;
  readonly avatar: string;
  readonly memberCount: number;
  readonly large: boolean;
}

/** A part of the list of conversations. */
export interface ConversationPage {
  /** Latest activity first. */
  readonly conversations: readonly Conversation[];
  /** `from` of the next page; "" when there is none. */
  readonly next: string;
}

/** A part of a conversation. */
export interface HistoryPage {
  /** Ascending by `seq`, whichever way was asked; `pos` is 0. */
  readonly messages: readonly Message[];
  /** The lowest seq this account may read; above `head`: none. */
  readonly first: number;
  /** Seq of the conversation's last message, 0 for none. */
  readonly head: number;
}

/** Which part of a conversation to read. */
export interface HistoryOptions {
  /** The peer is a group's id. */
  readonly group?: boolean;
  /** Messages with a lower seq, the nearest ones. Without this and `after`: the newest ones. */
  readonly before?: number | undefined;
  /** Messages with a higher seq, the nearest ones; 0: from the beginning. */
  readonly after?: number | undefined;
  /** Messages at most; default and most 200. A page may hold fewer. */
  readonly limit?: number | undefined;
}

/** A read position that another device of this account moved. */
export interface ReadChange {
  readonly peer: string;
  readonly group: boolean;
  readonly seq: number;
}

interface Mark extends PromiseWithResolvers<number> {
  readonly peer: string;
  readonly group: boolean;
  seq: number;
}

/** Between two read positions of one conversation. */
const READ_EVERY_MS = 500;
/** Above every seq there will be. */
const NEWEST = 0x7fff_ffff;

/**
 * What the server keeps of conversations: `client.conversations`. A list of them stays right with what comes later:
 * `onMessage` (a new last message; one more unread, or none when it is `own`), `sent` (none unread), `read` (read on another
 * device) and `group`; after an absence (`state` "online") fetch it anew.
 *
 * Every method waits while offline (30 s at most, then TIMEOUT; `read` for ever) and is repeated when the connection breaks or
 * the server is busy. Rejects with an ImError: INVALID_BODY (no such group, a name that is none), UNAUTHORIZED (a group we are not in),
 * BUSY, SYSTEM, CLOSED, TIMEOUT, QUOTA.
 */
export class Conversations {
  readonly #asker: Asker;
  readonly #clock: Clock;
  readonly #me: () => string;
  /** Read positions that the server is still to be told, by conversation; and those it is told, or was just now. */
  readonly #marks = new Map<string, Mark>();
  readonly #telling = new Map<string, Mark>();

  constructor(asker: Asker, clock: Clock, me: () => string) {
    this.#asker = asker;
    this.#clock = clock;
    this.#me = me;
  }

  /** A page of the account's conversations, at most (and by default) 100. `from`: `next` of the page before. */
  list({ from = "", limit = 0 }: { readonly from?: string; readonly limit?: number } = {}): Promise<ConversationPage> {
    return this.#asker.ask({
      what: "list conversations",
      command: CONVERSATIONS,
      body: (codec) => codec.encode(pkt.ConversationsReq, { from, limit }),
      answer: (codec, body) => {
        const { conversations, next } = codec.decode(pkt.ConversationsResp, body);
        return { conversations: conversations.map((line) => this.#lineOf(line)), next };
      },
    });
  }

  /**
   * A page of a conversation. It is read, not handed over: `onMessage` is not called.
   *
   * ```ts
   * const newest = await client.conversations.history("bob", { limit: 50 });
   * const older = await client.conversations.history("bob", { before: newest.messages[0].seq, limit: 50 });
   * ```
   */
  history(peer: string, { group = false, before, after, limit = 0 }: HistoryOptions = {}): Promise<HistoryPage> {
    // before 1 there is nothing, but 0 would mean "upwards".
    const range = before === undefined && after !== undefined ? { after } : { before: Math.max(1, before ?? NEWEST) };
    return this.#asker.ask({
      what: "read history",
      command: HISTORY,
      dest: peer,
      body: (codec) => codec.encode(pkt.HistoryReq, { group, limit, ...range }),
      answer: (codec, body) => {
        const { messages, first, head } = codec.decode(pkt.HistoryResp, body);
        return { messages: messages.map((row) => messageOfRow(row, this.#me())), first, head };
      },
    });
  }

  /**
   * Everything up to that seq was read, on all devices: moves the account's read position forward, never back, and gives
   * where it is now. (Sending a message moves it too.) May be called for every message: the server is told at most every
   * 500 ms per conversation, of the last one. Waits while offline, however long; need not be awaited.
   *
   * ```ts
   * client.onMessage(({ peer, group, seq }) => {
   *   void client.conversations.read(peer, seq, { group }); // if it is on the screen
   * });
   * ```
   */
  read(peer: string, seq: number, { group = false }: { readonly group?: boolean } = {}): Promise<number> {
    const key = `${group} ${peer}`;
    const told = this.#telling.get(key);
    if (told && told.seq >= seq) return told.promise;
    let mark = this.#marks.get(key);
    if (!mark) this.#marks.set(key, mark = { peer, group, seq, ...Promise.withResolvers<number>() });
    mark.seq = Math.max(seq, mark.seq);
    mark.promise.catch(() => {}); // nobody need wait for it
    this.#tell(key);
    return mark.promise;
  }

  /** Tells the server of the mark that waits, unless it was told of one just now. */
  #tell(key: string): void {
    const mark = this.#marks.get(key);
    if (!mark || this.#telling.has(key)) return;
    this.#telling.set(key, mark);
    this.#marks.delete(key);
    const over = () =>
      void this.#clock.after(READ_EVERY_MS, () => {
        this.#telling.delete(key);
        this.#tell(key);
      });
    this.#mark(mark).then(mark.resolve, mark.reject).then(over);
  }

  async #mark(mark: Mark): Promise<number> {
    const question: Question<number> = {
      what: "mark as read",
      command: READ,
      dest: mark.peer,
      body: (codec) => codec.encode(pkt.ReadReq, { group: mark.group, seq: mark.seq }),
      answer: (codec, body) => codec.decode(pkt.ReadResp, body).seq,
    };
    while (true) {
      try {
        return await this.#asker.ask(question);
      } catch (thrown) {
        if (ImError.from(thrown).code !== "TIMEOUT") throw thrown;
      }
    }
  }

  #lineOf({ dest: peer, last, ...rest }: pkt.Conversation): Conversation {
    return { ...rest, peer, last: last && messageOfRow(last, this.#me()) };
  }
}
