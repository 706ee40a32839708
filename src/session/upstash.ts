import { ImError } from "../base/errors.ts";
import type { Upstash } from "../upstash/client.ts";
import type { Question } from "../upstash/question.ts";
import { keyPart } from "../upstash/value.ts";
import { gatewayLease } from "./leases.ts";
import { type Location, OlderLogin, type Session, type SessionStore } from "./store.ts";
import { HeldLeases } from "./upstash_held.ts";
import { leaseKey } from "./upstash_leases.ts";
import { Lookups } from "./upstash_locate.ts";
import { ADD, CLEAN, END, RESTORE, TOUCH } from "./upstash_scripts.ts";
import { type DeviceEntry, entryOf, readPutOut, readSession, sessionText } from "./upstash_values.ts";

export interface UpstashSessionOptions {
  /** The most that one account may have online. */
  readonly devices: number;
  /** In front of every key; `petrel:` when not given. */
  readonly prefix?: string;
  /** What a dead gateway left is taken out after that; 2 minutes when not given. */
  readonly leftMs?: number;
}

/** A channel that was ended, or put out, is remembered for so long. */
const ENDED_MS = 60_000;
/** A session that nobody hears of is forgotten after that; hearing writes a new end at most once an hour. */
const TTL_S = 48 * 3_600, RENEW_S = 3_600;
/** In one script: others wait while it runs. */
const MOST_RESTORED = 50, MOST_TOUCHED = 200;
/** What a dead gateway left may still be asked for so long: who was put out by a login elsewhere. */
const LEFT_MS = 120_000;
/** Whether it is time is asked once a minute, about so many at most. */
const CLEAN_EVERY_MS = 60_000, MOST_CLEANED = 1_000;

/** Sessions that all processes share, in a Redis behind Upstash's REST protocol. Keys and values: proto/WIRE.md "Storage". */
export class UpstashSessionStore implements SessionStore {
  readonly #upstash: Upstash;
  readonly #devices: number;
  readonly #prefix: string;
  readonly #held: HeldLeases;
  readonly #lookups: Lookups;
  readonly #leftMs: number;
  /** What was left, and when it may be asked about again. */
  readonly #cleaning = new Map<string, number>();
  readonly #self = crypto.randomUUID().slice(0, 8);
  #calls = 0;
  #closed = false;

  /** The client stays its owner's: it is not disposed with this. */
  constructor(upstash: Upstash, options: UpstashSessionOptions) {
    this.#upstash = upstash;
    this.#devices = options.devices;
    this.#prefix = options.prefix ?? "petrel:";
    this.#leftMs = options.leftMs ?? LEFT_MS;
    this.#held = new HeldLeases(upstash, (incarnation) => this.#leaseKey(incarnation));
    this.#lookups = new Lookups(upstash, this.#held);
  }

  async add(session: Session): Promise<Session[]> {
    const { app, account, device, channelId, generation, incarnation } = session;
    const who = accountPart(app, account);
    const [state, ...out] = await this.#ask("store a session", {
      command: () => ({
        script: ADD,
        keys: [this.#atKey(who), this.#channelKey(channelId), this.#leaseKey(incarnation)],
        args: [
          ...[keyPart(device), `${generation}`, entryOf(session), sessionText(session), this.#devices, TTL_S],
          ...[`${this.#prefix}ch:`, who, ENDED_MS, incarnation === "" ? "" : "1"],
        ],
      }),
      read: listOf,
    });
    if (state === "ended") throw new ImError("CLOSED", "Cannot log in: its connection has ended");
    if (state === "older") throw new OlderLogin(BigInt(out[0] as string));
    if (state === "lease") throw new ImError("CLOSED", "Cannot log in: its gateway has no lease");
    return out.map((one) => readPutOut(one, app, account)).filter((one) => one !== undefined);
  }

  async get(channelId: string): Promise<Session | undefined> {
    const found = await this.#ask<Session | "none">("read a session", {
      command: () => ({ hget: [this.#channelKey(channelId), "v"] }),
      read: (result) => result === null ? "none" : readSession(result),
    });
    return found === "none" ? undefined : found;
  }

  end(channelId: string): Promise<boolean> {
    const call = `${this.#self}-${this.#calls++}`;
    return this.#ask("end a session", {
      command: () => ({
        script: END,
        keys: [this.#channelKey(channelId)],
        args: [`${this.#prefix}at:`, ENDED_MS, call],
      }),
      read: (result) => typeof result === "number" ? result === 1 : undefined,
    });
  }

  async restore(sessions: readonly Session[]): Promise<Session[]> {
    const asked = chunks(sessions, MOST_RESTORED).map((some) =>
      this.#ask("put sessions back", {
        command: () => ({
          script: RESTORE,
          keys: some.flatMap(({ app, account, channelId, incarnation }) => [
            this.#atKey(accountPart(app, account)),
            this.#channelKey(channelId),
            this.#leaseKey(incarnation),
          ]),
          args: [this.#devices, TTL_S, `${this.#prefix}ch:`, ENDED_MS, ...some.flatMap(restoreArgs)],
        }),
        read: (result) => goneOf(result, some),
      })
    );
    return (await Promise.all(asked)).flat();
  }

  async locate(app: string, accounts: readonly string[]): Promise<Location[]> {
    // hot: per message
    const keys = accounts.map((account) => this.#atKey(accountPart(app, account)));
    const sinceMs = this.#upstash.clock.mono();
    const found = await this.#lookups.find(keys);
    const unknown: string[] = [];
    for (const entries of found) {
      for (const { incarnation } of entries) {
        if (this.#held.held(incarnation, sinceMs) === undefined) unknown.push(incarnation);
      }
    }
    if (unknown.length > 0) await this.#held.learn(unknown, sinceMs);
    const locations: Location[] = [];
    for (const [i, entries] of found.entries()) {
      for (const entry of entries) {
        if (this.#held.held(entry.incarnation, sinceMs) === false) {
          this.#clean(keys[i]!, entry);
          continue;
        }
        const { device, channelId, gateId, content } = entry;
        locations.push({ account: accounts[i]!, device, channelId, gateId, content });
      }
    }
    return locations;
  }

  async touch(channelIds: readonly string[]): Promise<string[]> {
    const asked = chunks(channelIds, MOST_TOUCHED).map(async (some) => {
      const missing = await this.#ask("renew sessions", {
        command: () => ({
          script: TOUCH,
          keys: some.map((id) => this.#channelKey(id)),
          args: [`${this.#prefix}at:`, TTL_S, TTL_S - RENEW_S],
        }),
        read: (result) => numbersOf(result, some.length),
      });
      return missing.map((number) => some[number - 1]!);
    });
    return (await Promise.all(asked)).flat();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  /** Every script may run again: its effect and its answer are the same. */
  #ask<T>(what: string, question: Pick<Question<T>, "command" | "read">): Promise<T> {
    if (this.#closed) return Promise.reject(new ImError("CLOSED", `Cannot ${what}: the store is closed`));
    return this.#upstash.ask({ what, repeat: true, ...question });
  }

  /** What a dead gateway left is taken out when it is come upon, unless the gateway has its lease again. */
  #clean(key: string, { device, generation, channelId, incarnation }: DeviceEntry): void {
    const nowMs = this.#upstash.clock.mono();
    const name = `${key} ${channelId}`;
    if (this.#closed || (this.#cleaning.get(name) ?? 0) > nowMs) return;
    if (this.#cleaning.size >= MOST_CLEANED) {
      for (const [one, atMs] of this.#cleaning) if (atMs <= nowMs) this.#cleaning.delete(one);
      if (this.#cleaning.size >= MOST_CLEANED) return;
    }
    this.#cleaning.set(name, nowMs + Math.min(CLEAN_EVERY_MS, this.#leftMs));
    this.#ask("take out a session", {
      command: () => ({
        script: CLEAN,
        keys: [key, this.#channelKey(channelId), this.#leaseKey(incarnation)],
        args: [keyPart(device), generation, this.#leftMs],
      }),
      read: (result) => result,
    }).catch(() => {}); // a later look-up tries again
  }

  #atKey(who: string): string {
    return `${this.#prefix}at:${who}`;
  }

  #channelKey(channelId: string): string {
    return `${this.#prefix}ch:${keyPart(channelId)}`;
  }

  #leaseKey(incarnation: string): string {
    return leaseKey(this.#prefix, gatewayLease(incarnation));
  }
}

function accountPart(app: string, account: string): string {
  return `${keyPart(app)}:${keyPart(account)}`;
}

function restoreArgs(session: Session): string[] {
  const { app, account, device, channelId, generation, incarnation } = session;
  return [
    ...[accountPart(app, account), keyPart(device), `${generation}`, keyPart(channelId)],
    ...[entryOf(session), sessionText(session), incarnation === "" ? "" : "1"],
  ];
}

/** Who has no device now: the session of that number itself, or whom it put out. */
function goneOf(result: unknown, some: readonly Session[]): Session[] | undefined {
  if (!Array.isArray(result)) return undefined;
  const gone: Session[] = [];
  for (const one of result) {
    const [number, text] = String(one).split(" ");
    const session = some[Number(number) - 1];
    if (!session) return undefined;
    const who = text === undefined ? session : readPutOut(text, session.app, session.account);
    if (who) gone.push(who);
  }
  return gone;
}

function listOf(result: unknown): readonly unknown[] | undefined {
  return Array.isArray(result) && typeof result[0] === "string" ? result : undefined;
}

/** Places from 1 to `most`. */
function numbersOf(result: unknown, most: number): number[] | undefined {
  if (!Array.isArray(result)) return undefined;
  return result.every((one) => Number.isInteger(one) && one >= 1 && one <= most) ? result : undefined;
}

function chunks<T>(all: readonly T[], size: number): T[][] {
  const some: T[][] = [];
  for (let at = 0; at < all.length; at += size) some.push(all.slice(at, at + size));
  return some;
}
