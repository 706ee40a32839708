import { ImError } from "../../src/base/errors.ts";
import type {
  Appended,
  AppendRequest,
  AppendResult,
  InboxMessage,
  InboxRange,
} from "../../src/message/message_store.ts";

interface Kept {
  readonly request: AppendRequest;
  readonly numbers: Pick<Appended, "seq" | "senderPos" | "receiverPos">;
  /** Given by the store under test. */
  readonly messageId: bigint;
  readonly sendTime: bigint;
}

/** What the store should have answered, without the values that only it can know. */
export type Expected =
  | (Pick<Appended, "seq" | "senderPos" | "receiverPos" | "duplicate"> & { of: Kept | undefined })
  | string;

/**
 * The plainest MessageStore: a list, searched from the start each time. It says what the store under test should
 * answer, and then takes over the ids and times it gave.
 */
export class MessageModel {
  kept: Kept[] = [];
  readonly #cursors = new Map<string, number>();

  /** What a batch should be answered. `fails`: if it would store anything, its commit fails. */
  expect(batch: readonly AppendRequest[], fails: boolean): { results: Expected[]; stores: boolean } {
    const present = [...this.kept];
    const results = batch.map((request): Expected => {
      const known = find(present, request);
      if (known) return known;
      const numbers = {
        seq: 1 + present.filter((one) => samePair(one.request, request)).length,
        senderPos: 1 + inbox(present, request.app, request.sender).length,
        receiverPos: 1 + inbox(present, request.app, request.dest).length,
      };
      present.push({ request, numbers, messageId: 0n, sendTime: 0n });
      return { ...numbers, duplicate: false, of: undefined };
    });
    const stores = present.length > this.kept.length;
    if (!stores || !fails) return { results, stores };
    return { results: batch.map((request) => find(this.kept, request) ?? "SYSTEM"), stores };
  }

  /** Compares, and keeps what was stored. Gives the first difference in words. */
  take(batch: readonly AppendRequest[], expected: readonly Expected[], results: readonly AppendResult[]): string {
    const fresh: (Kept | undefined)[] = [];
    for (const [i, want] of expected.entries()) {
      const got = results[i];
      const request = batch[i]!;
      if (got === undefined) return `no result ${i}`;
      if (typeof want === "string" || got instanceof ImError) {
        if (typeof want !== "string" || !(got instanceof ImError) || got.code !== want) return differ(i, want, got);
        continue;
      }
      const { seq, senderPos, receiverPos } = got;
      if (seq !== want.seq || senderPos !== want.senderPos || receiverPos !== want.receiverPos) {
        return differ(i, want, got);
      }
      if (got.duplicate !== want.duplicate) return differ(i, want, got);
      if (!want.duplicate) {
        const last = this.kept.at(-1);
        if (last && (got.messageId <= last.messageId || got.sendTime <= last.sendTime)) {
          return `result ${i} does not grow`;
        }
        const one = {
          request,
          numbers: { seq, senderPos, receiverPos },
          messageId: got.messageId,
          sendTime: got.sendTime,
        };
        this.kept.push(one);
        fresh.push(one);
      } else if (want.of && want.of.messageId !== 0n && want.of.messageId !== got.messageId) {
        return differ(i, want, got);
      }
    }
    return "";
  }

  head(app: string, account: string): number {
    return inbox(this.kept, app, account).length;
  }

  rows(app: string, account: string, range: InboxRange): InboxMessage[] {
    return inbox(this.kept, app, account)
      .map((one, i) => shown(one, account, i + 1))
      .filter(({ pos }) => pos > range.after && pos <= (range.upTo ?? Infinity))
      .filter(({ direction }) => range.direction === undefined || direction === range.direction)
      .filter(({ sendTime }) => sendTime >= (range.since ?? 0n))
      .slice(0, range.limit);
  }

  /** The position an ack should give, and whether it has to write. */
  ack(app: string, account: string, device: string, pos: number): { pos: number; moves: boolean } {
    const now = this.#cursors.get(`${app}/${account}/${device}`) ?? 0;
    const next = Math.max(now, Math.min(pos, this.head(app, account)));
    return { pos: next, moves: next > now };
  }

  move(app: string, account: string, device: string, pos: number): void {
    this.#cursors.set(`${app}/${account}/${device}`, pos);
  }
}

function find(kept: readonly Kept[], request: AppendRequest): Expected | undefined {
  const { app, sender, key, clientMsgId } = request;
  const byKey = key && kept.find((one) => one.request.key?.scope === key.scope && one.request.key.n === key.n);
  const byId = clientMsgId === undefined
    ? undefined
    : kept.find(({ request: one }) => one.app === app && one.sender === sender && one.clientMsgId === clientMsgId);
  if (byKey) return { ...byKey.numbers, duplicate: true, of: byKey };
  if (!byId) return undefined;
  const { dest, type, body, extra } = byId.request;
  const same = dest === request.dest && type === request.type && body === request.body && extra === request.extra;
  return same ? { ...byId.numbers, duplicate: true, of: byId } : "DUPLICATE_ID";
}

function inbox(kept: readonly Kept[], app: string, account: string): Kept[] {
  return kept.filter(({ request }) => request.app === app && (request.sender === account || request.dest === account));
}

function samePair(one: AppendRequest, other: AppendRequest): boolean {
  const pair = ({ app, sender, dest }: AppendRequest) => [app, ...[sender, dest].sort()].join();
  return pair(one) === pair(other);
}

function shown({ request, numbers, messageId, sendTime }: Kept, account: string, pos: number): InboxMessage {
  const { sender, dest, type, body, extra, clientMsgId } = request;
  const direction = sender === account ? 1 : 0;
  const peer = direction === 1 ? dest : sender;
  return {
    pos,
    messageId,
    direction,
    peer,
    group: "",
    sendTime,
    seq: numbers.seq,
    type,
    body,
    extra,
    sender,
    clientMsgId,
  };
}

function differ(i: number, want: Expected, got: AppendResult): string {
  const words = got instanceof ImError ? got.code : `${got.seq}/${got.senderPos}/${got.receiverPos} ${got.duplicate}`;
  const wanted = typeof want === "string"
    ? want
    : `${want.seq}/${want.senderPos}/${want.receiverPos} ${want.duplicate}`;
  return `result ${i} is ${words}, should be ${wanted}`;
}
