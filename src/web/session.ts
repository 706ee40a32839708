import { type ClientState, CLOSE, type CloseReason, ImError, PetrelClient, type SentMessage } from "../sdk/mod.ts";
import { type Archive, ForgivingArchive } from "./archive.ts";
import { Book } from "./book.ts";
import { type ConversationKey, conversationOf } from "./conversation.ts";
import { Directory } from "./directory.ts";
import { clientIdOf, type Entry, entryOfMessage, entryOfSent } from "./entry.ts";
import { GuardedStorage } from "./guarded_storage.ts";
import { History } from "./history.ts";
import type { Place } from "./place.ts";
import { Tabs } from "./tabs.ts";

/** Why the chat does not go on as usual. */
export type Trouble =
  | { readonly kind: "offline"; readonly draining: boolean; readonly retryAtMs: number | undefined }
  | { readonly kind: "kicked" | "expired" | "refused" | "revoked" }
  | { readonly kind: "closed"; readonly reason: string };

/** A server that said it shuts down is expected back within so long. */
const RESTART_MS = 30_000;

export interface SessionOptions {
  readonly account: string;
  readonly url: string;
  readonly place: Place;
  readonly archive: Archive;
  /** A function is asked for one at every login. */
  readonly token: string | (() => Promise<string>);
  readonly changed: () => void;
}

/**
 * One account in one tab: the SDK's client, the book of messages, and the archive behind it. A message is archived
 * before the SDK counts it as handled, so a reload loses none; by its key it is shown once, however often it is told.
 */
export class Session {
  readonly book = new Book();
  readonly directory: Directory;
  readonly history: History;
  readonly #options: SessionOptions;
  readonly #archive: ForgivingArchive;
  readonly #storage: GuardedStorage;
  readonly #tabs: Tabs;
  readonly #sentAtMs = new Map<string, number>();
  #client: PetrelClient | undefined;
  #drainedAtMs = -Infinity;
  #closed = false;
  #wasOnline = false;
  #archiveFailed = false;
  #placeFailed = false;
  trouble: Trouble | undefined;
  /** The archive was read: what is not in the book is not in this browser. */
  ready = false;
  /** From the send to "stored on disk", of the last message; ms. */
  lastSendMs: number | undefined;
  /** Last inbox position seen. */
  position = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#archive = new ForgivingArchive(options.archive, () => {
      this.#archiveFailed = true;
      options.changed();
    });
    this.#storage = new GuardedStorage(options.place.storage, () => this.#archiveFailed);
    this.#tabs = new Tabs(options.account, {
      put: (entry) => this.book.put(entry),
      drop: (key) => this.book.drop(key),
      read: (key, seq) => this.book.read(key, seq),
      changed: options.changed,
    });
    const { book } = this;
    const { account, changed } = options;
    const client = () => this.#client;
    const keep = (entries: readonly Entry[]) => void this.#archive.put(...entries.map((entry) => book.put(entry)));
    this.history = new History({ book, client, changed, fetched: keep });
    this.directory = new Directory({
      account,
      book,
      client,
      changed,
      read: (key, seq) => void this.#archive.read(key, seq),
      group: (facts) => void this.#archive.group(facts),
      notice: (entry) => keep([entry]),
    });
  }

  get account(): string {
    return this.#options.account;
  }

  get device(): string {
    return this.#options.place.device;
  }

  get url(): string {
    return this.#options.url;
  }

  /** The browser keeps nothing, or no more. */
  get storageFailed(): boolean {
    return this.#archiveFailed || this.#placeFailed;
  }

  get state(): ClientState {
    const state = this.#client?.state ?? "connecting";
    return state === "offline" && !this.trouble ? "connecting" : state;
  }

  /** Shows what is archived, then connects. */
  async start(): Promise<void> {
    await this.#restoreUnsettled(await this.#readArchive());
    this.connect();
  }

  async #readArchive(): Promise<readonly Entry[]> {
    const { entries, read, groups } = await this.#archive.load();
    for (const entry of entries) this.book.put(entry);
    for (const [key, seq] of read) this.book.read(key, seq);
    this.directory.restore(groups);
    this.ready = true;
    this.#options.changed();
    return entries;
  }

  /** A new client on the same place; for the first time, and after the last one was closed. */
  connect(): void {
    if (this.#closed) return;
    void this.#client?.close();
    this.trouble = undefined;
    const { url, place, token, changed } = this.#options;
    const client = this.#client = new PetrelClient({ url, token, device: place.device, storage: this.#storage });
    client.onMessage(async (message) => {
      if (message.pos > this.position) this.position = message.pos;
      const entry = this.book.put(entryOfMessage(message));
      this.directory.met(entry.conversation);
      changed();
      await this.#archive.put(entry);
    });
    client.on("group", (change) => this.directory.groupChanged(change));
    client.on("read", (change) => this.directory.readElsewhere(change));
    client.on("sent", (sent) => this.#sent(sent, client));
    client.on("storage", ({ error }) => {
      this.#placeFailed = error !== undefined;
      changed();
    });
    client.on("drain", () => this.#drainedAtMs = performance.now());
    client.on("state", ({ state, retryInMs }) => {
      if (this.#client !== client) return;
      if (state === "online") {
        this.#drainedAtMs = -Infinity;
        this.trouble = undefined;
        // A new device begins where the account was read up to: what another tab took since our start is in the archive.
        if (!this.#wasOnline) void this.#readArchive();
        this.#wasOnline = true;
        this.history.online();
        void this.directory.refresh(true);
      }
      if (state === "offline" || state === "connecting" && this.trouble?.kind === "offline") {
        const retryAtMs = retryInMs === undefined ? undefined : performance.now() + retryInMs;
        const draining = performance.now() - this.#drainedAtMs < RESTART_MS;
        this.trouble = { kind: "offline", draining, retryAtMs };
      }
      changed();
    });
    client.on("closed", ({ why, error }) => {
      if (this.#client === client) this.trouble = troubleOf(why, error);
      changed();
    });
    client.login().catch(() => {}); // "closed" tells it
    changed();
  }

  retryNow(): void {
    this.#client?.retryNow();
  }

  send(key: ConversationKey, body: string, like?: Entry): void {
    const { id, kind } = conversationOf(key);
    if (!this.#client) return;
    const startedMs = performance.now();
    const options = { group: kind === "group", type: like?.type ?? 1, extra: like?.extra ?? "" };
    const sent = this.#client.talk(id, body, options);
    this.#sentAtMs.set(sent.id, startedMs);
    this.#keep(entryOfSent(sent, this.account));
    this.#options.changed();
  }

  /** One that failed was never stored: it is said anew, as a new message. */
  sendAgain(entry: Entry): void {
    this.remove(entry);
    this.send(entry.conversation, entry.body, entry);
  }

  /** Forgets one that failed. */
  remove(entry: Entry): void {
    if (entry.state !== "failed") return;
    this.book.drop(entry.key);
    void this.#archive.drop(entry.key);
    this.#tabs.tell({ drop: entry.key });
    this.#options.changed();
  }

  /** Everything of this conversation was seen. */
  read(key: ConversationKey): void {
    const seq = this.book.lastSeq(key);
    if (!this.book.read(key, seq)) return;
    void this.#archive.read(key, seq);
    this.#tabs.tell({ read: [key, seq] });
    void this.directory.tellRead(key, seq);
    this.#options.changed();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#tabs.close();
    await this.#client?.close();
    this.#options.place.free();
  }

  /** News of one of ours; also "sending", of one that an earlier run left. */
  #sent(sent: SentMessage, client: PetrelClient): void {
    if (sent.state === "failed" && client.state === "closed") return; // the next client sends it
    const startedMs = this.#sentAtMs.get(sent.id);
    if (sent.state !== "sending") this.#sentAtMs.delete(sent.id);
    if (startedMs !== undefined && sent.state === "durable") this.lastSendMs = performance.now() - startedMs;
    this.#keep(entryOfSent(sent, this.account));
    this.#options.changed();
  }

  #keep(news: Entry): void {
    const entry = this.book.put(news);
    void this.#archive.put(entry);
    this.#tabs.tell({ put: entry });
  }

  /**
   * Messages that the archive calls "sending" but that no outbox has any more: the tab was closed between the answer
   * and the archive, or it was another tab's. They are sent with their old ids, which the server stores once.
   */
  async #restoreUnsettled(entries: readonly Entry[]): Promise<void> {
    const storage = this.#storage;
    try {
      const { position, messages } = await storage.load();
      this.position = position?.cursor ?? 0;
      const known = new Set(messages?.map(({ id }) => id));
      for (const entry of entries) {
        const id = clientIdOf(entry);
        if (entry.state !== "sending" || known.has(id)) continue;
        const { id: dest, kind } = conversationOf(entry.conversation);
        const { type, body, extra, timeMs } = entry;
        await storage.saveMessage({ id, dest, group: kind === "group", type, body, extra, createdMs: timeMs });
      }
    } catch {
      // The client reads the same storage next and says so.
    }
  }
}

function troubleOf(why: CloseReason, error: ImError): Trouble {
  if (why.code === CLOSE.KICKED.code) return { kind: "kicked" };
  if (why.code === CLOSE.TOKEN_EXPIRED.code) return { kind: "expired" };
  if (why.code === CLOSE.UNAUTHORIZED.code) return { kind: "refused" };
  if (why.code === CLOSE.REVOKED.code) return { kind: "revoked" };
  return { kind: "closed", reason: why.code === CLOSE.NORMAL.code ? error.message : why.reason };
}
