import { STATUS, type StatusName } from "../../protocol/status.ts";
import { PetrelClient, type SentMessage } from "../../sdk/mod.ts";
import { count } from "../talk_counts.ts";
import { now } from "../wire_inbox.ts";
import { type CrowdMember, type Destination, nextAttempt, type ShownMessage, type Watcher } from "./crowd_member.ts";

export interface OurMemberOptions {
  readonly account: string;
  readonly token: () => string;
  /** Gateways to try, asked again when all have failed. */
  readonly urls: () => Promise<readonly string[]>;
  readonly watcher: Watcher;
}

/** Messages that wait; beyond it nothing is said. */
const MOST_WAITING = 100;
/** A status no server gives: the client itself said that the message failed. */
const FAILED = 1;

/** The SDK's client, with all it says and shows written down. */
export class OurMember implements CrowdMember {
  readonly account: string;
  readonly old = false;
  readonly screen: ShownMessage[] = [];
  readonly failures = new Map<string, number>();
  logins = 0;
  closed = "";
  readonly #sdk: PetrelClient;
  readonly #watcher: Watcher;
  readonly #sent = new Map<SentMessage, { readonly attempt: number; readonly sentMs: number }>();
  /** Large groups: once one is, all its messages follow its own numbers. */
  readonly #rooms = new Set<string>();
  #closing = false;

  constructor({ account, token, urls, watcher }: OurMemberOptions) {
    this.account = account;
    this.#watcher = watcher;
    const sdk = this.#sdk = new PetrelClient({ url: urls, token, device: "faults", backlog: Infinity });
    sdk.onMessage(({ messageId, body, own, group, peer, pos, seq }) => {
      if (own) return; // sent in a run whose answer was not heard
      if (group && pos === 0) this.#rooms.add(peer);
      const room = group && this.#rooms.has(peer) ? peer : "";
      this.screen.push({ messageId: `${messageId}`, id: body, conn: 0, pos, room, seq });
      watcher.shown(this, body);
    });
    sdk.on("sent", (message) => this.#settled(message));
    sdk.on("state", ({ state, why }) => {
      if (state === "online") this.logins++;
      else if (state === "offline" && this.online) watcher.lost(this, why?.reason ?? "");
      this.online = state === "online";
    });
    sdk.on("closed", ({ error }) => {
      if (!this.#closing) this.closed = error.message;
    });
  }

  online = false;

  get waiting(): number {
    return this.#sent.size;
  }

  start(): Promise<void> {
    return this.#sdk.login();
  }

  talk({ dest, to, apart }: Destination, id: string): boolean {
    if (this.#sent.size >= MOST_WAITING || this.closed !== "") return false;
    const message = this.#sdk.talk(dest, id, { group: to !== undefined });
    const attempt = nextAttempt();
    const at = now();
    this.#sent.set(message, { attempt, sentMs: at });
    // In a history one conversation is one channel: the SDK keeps the order per destination.
    this.#watcher.record({
      event: "send",
      at,
      attempt,
      client: this.account,
      conn: `${this.account} to ${dest}`,
      id,
      dest,
      key: message.id,
      ...(to === undefined ? {} : { to }),
      ...(apart ? { apart: true as const } : {}),
    });
    return true;
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#sdk.close();
  }

  #settled(message: SentMessage): void {
    const sent = this.#sent.get(message);
    if (sent === undefined || this.#closing) return;
    this.#sent.delete(message);
    const { attempt, sentMs } = sent;
    const { receipt, error } = message;
    if (receipt === undefined) {
      const code = error?.code ?? "";
      count(this.failures, code);
      const status = code in STATUS ? STATUS[code as StatusName].wire : FAILED;
      return this.#watcher.record({ event: "ack", at: now(), attempt, status });
    }
    const { messageId, sendTime } = receipt;
    this.#watcher.record({
      event: "ack",
      at: now(),
      attempt,
      status: 0,
      messageId: `${messageId}`,
      sendTime: `${sendTime}`,
    });
    this.#watcher.acked(this, sentMs);
  }
}
