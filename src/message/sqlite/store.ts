import type { Clock } from "../../base/clock.ts";
import type {
  AppendRequest,
  AppendResult,
  Head,
  InboxEntry,
  InboxMessage,
  InboxPage,
  InboxRange,
  MessageStore,
  StoredContent,
  StoreHealth,
} from "../message_store.ts";
import { closed, JobQueue } from "./job_queue.ts";
import type { Lane } from "./lane.ts";
import { ASK, packRange, type WriterState } from "./messages.ts";
import {
  packPeek,
  type Peek,
  readContent,
  readEntry,
  readHead,
  readMaybe,
  readMessage,
  readPage,
  readPeek,
} from "./pages.ts";
import { Packer, type Unpacker } from "./wire.ts";

/** Most accounts in one look at the writer's memory. */
const PEEKS = 1_000;
const NO_ROWS: InboxRange = { after: 0, upTo: 0, limit: 0 };

interface WaitingPeek {
  readonly app: string;
  readonly account: string;
  readonly range: InboxRange;
  readonly resolve: (peek: Peek | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** What the writer told of itself with its last answer, and what waits for it here. */
export interface StoreStats extends WriterState {
  readonly queuedMessages: number;
}

export interface SqliteStoreDeps {
  readonly clock: Clock;
  readonly writer: Lane;
  readonly reader: Lane;
  /** Resolves when a lane stopped. */
  readonly failed: Promise<Error>;
  /** Told when the health changes. */
  readonly changed: (health: StoreHealth) => void;
  /** Runs last in disposal. */
  readonly release: () => void;
}

/**
 * The calling thread's half of the SQLite store.
 *
 *     append, ack ────────► job queue ──► writer
 *     entries, messages ──► what waits in the writer's memory ──► reader
 *     contents, position, acked ────────────────────────────────► reader
 */
export class SqliteStore implements MessageStore {
  /**
   * Resolves when it is unknown, and must not be said, what became of a batch, or a thread is gone: end the process,
   * the next start decides. What was in that batch is never answered.
   */
  readonly failed: Promise<Error>;
  readonly #deps: SqliteStoreDeps;
  readonly #jobs: JobQueue;
  #peeks: WaitingPeek[] = [];
  #closing = false;

  /** `openSqliteStore` makes it. */
  constructor(deps: SqliteStoreDeps) {
    this.#deps = deps;
    this.failed = deps.failed;
    this.#jobs = new JobQueue(deps);
  }

  append(batch: readonly AppendRequest[]): Promise<AppendResult[]> {
    return this.#jobs.append(batch);
  }

  ack(app: string, account: string, device: string, pos: number): Promise<number> {
    return this.#jobs.ack({ app, account, device, pos });
  }

  entries(app: string, account: string, range: InboxRange): Promise<InboxPage<InboxEntry>> {
    return this.#page(app, account, range, false, readEntry);
  }

  messages(app: string, account: string, range: InboxRange): Promise<InboxPage<InboxMessage>> {
    return this.#page(app, account, range, true, readMessage);
  }

  async contents(app: string, account: string, ids: readonly bigint[]): Promise<(StoredContent | undefined)[]> {
    const request = ask(ASK.contents, app, account);
    request.i32(ids.length);
    for (const id of ids) request.i64(id);
    const reply = await this.#deps.reader.call(request);
    return ids.map(() => readMaybe(reply, () => readContent(reply)));
  }

  async position(app: string, account: string, messageId: bigint): Promise<number | undefined> {
    const request = ask(ASK.position, app, account);
    request.i64(messageId);
    const reply = await this.#deps.reader.call(request);
    return readMaybe(reply, () => reply.num());
  }

  async heads(app: string, accounts: readonly string[]): Promise<Head[]> {
    const peeks = await Promise.all(accounts.map((account) => this.#peek(app, account, NO_ROWS)));
    const request = ask(ASK.heads, app);
    request.i32(peeks.filter((peek) => !peek).length);
    for (const [i, peek] of peeks.entries()) if (!peek) request.text(accounts[i]!);
    const read = peeks.every((peek) => peek) ? undefined : await this.#deps.reader.call(request);
    return peeks.map((peek) => peek ? { pos: peek.pos, epoch: String(peek.epoch) } : readHead(read!));
  }

  async acked(app: string, account: string, device: string): Promise<number> {
    const request = ask(ASK.acked, app, account);
    request.text(device);
    return (await this.#deps.reader.call(request)).num();
  }

  /** For tests: orders failures (faults.ts). Rejects with CONFIG unless the store was opened with `faults`. */
  async inject(faults: string): Promise<void> {
    await this.#deps.writer.call(ask(ASK.inject, faults));
  }

  health(): StoreHealth {
    return this.#jobs.health();
  }

  stats(): StoreStats {
    return { ...this.#jobs.state, queuedMessages: this.#jobs.queued };
  }

  /** What was asked is answered; what is asked from now on is rejected with CLOSED. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    await Promise.race([this.#jobs.close(), this.failed]);
    await this.#deps.reader.close();
    await this.#deps.writer.close(); // last: its connection tidies the WAL
    this.#deps.release();
  }

  async #page<Row>(
    app: string,
    account: string,
    range: InboxRange,
    withMessages: boolean,
    readRow: (from: Unpacker) => Row,
  ): Promise<InboxPage<Row>> {
    const peek = await this.#peek(app, account, range);
    const request = ask(ASK.page, app, account);
    request.u8(withMessages ? 1 : 0);
    packRange(request, range);
    packPeek(request, peek);
    return readPage(await this.#deps.reader.call(request), readRow);
  }

  /** Looks into the writer's memory, together with the others of this turn. */
  #peek(app: string, account: string, range: InboxRange): Promise<Peek | undefined> {
    if (this.#closing) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      this.#peeks.push({ app, account, range, resolve, reject });
      if (this.#peeks.length === 1) queueMicrotask(() => this.#sendPeeks());
    });
  }

  #sendPeeks(): void {
    const all = this.#peeks;
    this.#peeks = [];
    for (let at = 0; at < all.length; at += PEEKS) void this.#sendSome(all.slice(at, at + PEEKS));
  }

  async #sendSome(peeks: readonly WaitingPeek[]): Promise<void> {
    try {
      const request = ask(ASK.peek);
      request.i32(peeks.length);
      for (const { app, account, range } of peeks) {
        request.text(app);
        request.text(account);
        packRange(request, range);
      }
      const reply = await this.#deps.writer.call(request);
      for (const one of peeks) one.resolve(readPeek(reply));
    } catch (error) {
      for (const one of peeks) one.reject(error);
    }
  }
}

function ask(kind: number, ...texts: string[]): Packer {
  const request = new Packer();
  request.u8(kind);
  for (const text of texts) request.text(text);
  return request;
}
