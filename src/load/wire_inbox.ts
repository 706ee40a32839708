import type { History, InboxRow } from "./history.ts";
import { type Message, MessageWriter } from "./proto.ts";

/** A pushed message, or one read from the inbox. */
export interface WireMessage {
  readonly messageId: bigint;
  readonly type: number;
  readonly body: string;
  readonly extra: string;
  readonly sender: string;
  readonly sendTime: bigint;
  readonly seq: number;
  readonly userSeq: number;
}

/** A row of `chat.offline.index`. */
export interface IndexRow {
  readonly messageId: bigint;
  readonly direction: number;
  readonly sendTime: bigint;
  readonly accountB: string;
  readonly group: string;
}

/** What reading an inbox needs of a client. */
interface Asker {
  readonly account: string;
  readonly history: History | undefined;
  ok(command: string, body: Uint8Array): Promise<Message>;
}

/** A client's way to its inbox: by the old paging, and by position. Readings are written down in its history. */
export class WireInbox {
  readonly #client: Asker;

  constructor(client: Asker) {
    this.#client = client;
  }

  /** One page of `chat.offline.index`; asking with an id acknowledges it. */
  async index(after: bigint): Promise<IndexRow[]> {
    const body = await this.#client.ok("chat.offline.index", new MessageWriter().int(1, after).done());
    return body.messages(1).map((row) => ({
      messageId: row.int64(1),
      direction: row.uint(2),
      sendTime: row.int64(3),
      accountB: row.text(4),
      group: row.text(5),
    }));
  }

  /** The texts of at most 200 messages, in that order. @throws {Error} when the answer is not in that order. */
  async contents(ids: readonly bigint[]): Promise<string[]> {
    const rows = (await this.#client.ok("chat.offline.content", new MessageWriter().int64s(1, ids).done())).messages(1);
    if (rows.length !== ids.length || rows.some((row, i) => row.int64(1) !== ids[i])) {
      throw new Error(`chat.offline.content: asked for ${ids.length} ids, got ${rows.map((row) => row.int64(1))}`);
    }
    return rows.map((row) => row.text(3));
  }

  /**
   * Reads the inbox as old clients do, page by page from message `after` (0: from the account's read position) until
   * an empty page. `whole`: the caller knows that this is everything. @throws {Error} when paging does not move on.
   */
  async readIndex(after: bigint, whole: boolean): Promise<InboxRow[]> {
    const at = now();
    const found: IndexRow[] = [];
    const seen = new Set<bigint>();
    for (let last = after;;) {
      const page = await this.index(last);
      if (page.length === 0) break;
      last = page.at(-1)!.messageId;
      if (seen.has(last)) throw new Error(`chat.offline.index: the page after ${last} ends with ${last} again`);
      seen.add(last);
      found.push(...page);
    }
    const rows: InboxRow[] = [];
    for (let i = 0; i < found.length; i += 200) {
      const page = found.slice(i, i + 200);
      const texts = await this.contents(page.map((row) => row.messageId));
      page.forEach((row, j) =>
        rows.push({ messageId: `${row.messageId}`, id: texts[j]!, direction: 0, sender: row.accountB })
      );
    }
    this.#client.history?.record({ event: "inbox", at, client: this.#client.account, via: "index", whole, rows });
    return rows;
  }

  /** One page of `chat.sync`: messages after a position. */
  async sync(after: number, limit = 200) {
    const body = await this.#client.ok("chat.sync", new MessageWriter().int(1, after).int(2, limit).done());
    return {
      messages: body.messages(1).map(readMessage),
      head: body.uint(2),
      epoch: body.text(3),
      scannedTo: body.uint(4),
    };
  }

  /** Reads the inbox by position, from its beginning to its head. @throws {Error} when paging does not move on. */
  async readSync(): Promise<InboxRow[]> {
    const at = now();
    const rows: InboxRow[] = [];
    for (let after = 0, head = 1; after < head;) {
      const page = await this.sync(after);
      if (page.scannedTo <= after && page.head > after) throw new Error(`chat.sync: stands still after ${after}`);
      for (const m of page.messages) {
        const direction = m.sender === this.#client.account ? 1 : 0;
        rows.push({ messageId: `${m.messageId}`, id: m.body, direction, sender: m.sender, pos: m.userSeq });
      }
      after = page.scannedTo;
      head = page.head;
    }
    this.#client.history?.record({ event: "inbox", at, client: this.#client.account, via: "sync", whole: true, rows });
    return rows;
  }
}

/** The fields of a MessagePush. */
export function readMessage(body: Message): WireMessage {
  return {
    messageId: body.int64(1),
    type: body.uint(2),
    body: body.text(3),
    extra: body.text(4),
    sender: body.text(5),
    sendTime: body.int64(6),
    seq: body.uint(100),
    userSeq: body.uint(101),
  };
}

/** The clock of all histories. */
export function now(): number {
  return performance.now();
}
