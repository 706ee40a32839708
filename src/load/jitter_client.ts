import { type PetrelClient, type SentMessage } from "../sdk/mod.ts";
import { STATUS, type StatusName } from "../protocol/status.ts";
import type { ClientRecord, Durable, Handed } from "./delivery_judge.ts";
import type { Histogram } from "./histogram.ts";
import type { HistoryEvent, InboxRow } from "./history.ts";
import { now } from "./wire_inbox.ts";

/** A status no server gives: the client itself said that the message failed. */
const FAILED = 1;

let attempts = 0;

/** An SDK client that writes down all it says and shows. */
export class JitterClient implements ClientRecord {
  readonly sdk: PetrelClient;
  readonly account: string;
  readonly handed: Handed[] = [];
  readonly durable: Durable[] = [];
  inbox: readonly InboxRow[] = [];
  /** Error codes of messages that failed. */
  readonly failures: string[] = [];
  /** Why it ended before it was told to; "": it did not. */
  closed = "";
  logins = 0;
  readonly #record: (event: HistoryEvent) => void;
  readonly #sent = new Map<SentMessage, number>();
  #closing = false;

  /** `backOff` gets the time before each attempt to connect again, microseconds. */
  constructor(sdk: PetrelClient, account: string, record: (event: HistoryEvent) => void, backOff: Histogram) {
    this.sdk = sdk;
    this.account = account;
    this.#record = record;
    record({ event: "online", at: now(), client: account, conn: account });
    sdk.onMessage(({ messageId, body, sender, pos, seq }) => {
      this.handed.push({ messageId: `${messageId}`, id: body, sender, pos, seq });
      const id = { messageId: `${messageId}`, id: body };
      record({ event: "screen", at: now(), client: account, conn: account, ...id, sender });
    });
    sdk.on("sent", (message) => this.#settled(message));
    sdk.on("state", ({ state, retryInMs }) => {
      if (state === "online") this.logins++;
      if (retryInMs !== undefined) backOff.record(retryInMs * 1000);
    });
    sdk.on("closed", ({ error }) => {
      if (!this.#closing) this.closed = error.message;
    });
  }

  /** Messages whose fate this client has not told. */
  get unsettled(): number {
    return this.#sent.size;
  }

  /** In a history one conversation is one channel: the SDK keeps the order per destination. */
  talk(dest: string, id: string): void {
    const message = this.sdk.talk(dest, id);
    const attempt = ++attempts;
    const conn = `${this.account} to ${dest}`;
    this.#sent.set(message, attempt);
    this.#record({ event: "send", at: now(), attempt, client: this.account, conn, id, dest, key: message.id });
  }

  /** Twice is harmless. What is not settled now stays so. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.sdk.close();
  }

  #settled(message: SentMessage): void {
    const attempt = this.#sent.get(message);
    if (attempt === undefined || this.#closing) return;
    this.#sent.delete(message);
    const { dest, receipt, error } = message;
    if (receipt === undefined) {
      const code = error?.code ?? "";
      this.failures.push(code);
      const status = code in STATUS ? STATUS[code as StatusName].wire : FAILED;
      return this.#record({ event: "ack", at: now(), attempt, status });
    }
    const messageId = `${receipt.messageId}`;
    this.durable.push({ messageId, dest, seq: receipt.seq });
    this.#record({ event: "ack", at: now(), attempt, status: 0, messageId, sendTime: `${receipt.sendTime}` });
  }
}
