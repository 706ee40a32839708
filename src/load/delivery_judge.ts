import type { InboxRow } from "./history.ts";

/** A message as a client handed it over. */
export interface Handed {
  readonly messageId: string;
  /** Body id: its text. */
  readonly id: string;
  readonly sender: string;
  /** Position in the receiver's inbox. */
  readonly pos: number;
  /** Number within the conversation. */
  readonly seq: number;
}

/** A message of ours as the client said it was stored, in the order it was said. */
export interface Durable {
  readonly messageId: string;
  readonly dest: string;
  readonly seq: number;
}

/** All one client told its application, and what its inbox holds in the end. */
export interface ClientRecord {
  readonly account: string;
  readonly handed: readonly Handed[];
  readonly durable: readonly Durable[];
  /** Both directions, whole, by position. */
  readonly inbox: readonly InboxRow[];
}

/**
 * What a client can do wrong between a right server and its application:
 * - **missing**: a received row of the inbox was not handed over; **extra**: what was handed over is no such row.
 * - **twice**: a message was handed over again.
 * - **order**: handed over after a message of a higher inbox position.
 * - **seq**: within a conversation the numbers that its two clients were told are not 1, 2, 3…, each for one message,
 *   or a client saw them in another order.
 */
export const DELIVERY_FAULTS = ["missing", "extra", "twice", "order", "seq"] as const;
export type DeliveryFault = (typeof DELIVERY_FAULTS)[number];
export type DeliveryVerdict = Readonly<Record<DeliveryFault, { count: number; readonly examples: string[] }>>;

const EXAMPLES = 5;

/** Judges all clients of a run that began with empty inboxes. */
export function judgeDelivery(records: readonly ClientRecord[]): DeliveryVerdict {
  const verdict = Object.fromEntries(DELIVERY_FAULTS.map((name) => [name, { count: 0, examples: [] }])) as unknown as
    & DeliveryVerdict
    & object;
  const fault = (kind: DeliveryFault, text: string) => {
    const list = verdict[kind];
    if (list.count++ < EXAMPLES) list.examples.push(text);
  };
  for (const record of records) judgeHanded(record, fault);
  judgeConversations(records, fault);
  return verdict;
}

/** One line per kind of fault, and its examples. */
export function deliveryLines(verdict: DeliveryVerdict): string[] {
  return DELIVERY_FAULTS.flatMap((name) => {
    const { count, examples } = verdict[name];
    return count === 0 ? [] : [`${name.padEnd(8)} ${count}`, ...examples.map((example) => `  ${example}`)];
  });
}

type Tell = (kind: DeliveryFault, text: string) => void;

function judgeHanded({ account, handed, inbox }: ClientRecord, fault: Tell): void {
  const received = new Map(inbox.filter((row) => row.direction === 0).map((row) => [row.messageId, row]));
  const had = new Set<string>();
  const newestSeq = new Map<string, number>();
  let newestPos = 0;
  for (const { messageId, id, sender, pos, seq } of handed) {
    const what = `${account} was handed ${id} of ${sender} (message ${messageId}, position ${pos})`;
    const row = received.get(messageId);
    if (had.has(messageId)) {
      fault("twice", `${what} again`);
      continue;
    }
    had.add(messageId);
    if (row === undefined || row.id !== id || row.sender !== sender || row.pos !== pos) {
      fault("extra", `${what}, its inbox has ${row === undefined ? "no such row" : `${row.id} at ${row.pos}`}`);
      continue;
    }
    if (pos <= newestPos) fault("order", `${what} after position ${newestPos}`);
    else newestPos = pos;
    if (seq <= (newestSeq.get(sender) ?? 0)) fault("seq", `${what} as ${seq} after ${newestSeq.get(sender)}`);
    else newestSeq.set(sender, seq);
  }
  for (const { messageId, id, pos } of received.values()) {
    if (!had.has(messageId)) {
      fault("missing", `${account} was not handed ${id} (message ${messageId}, position ${pos})`);
    }
  }
}

/** What sender and receivers were told about a conversation must be one numbering without holes. */
function judgeConversations(records: readonly ClientRecord[], fault: Tell): void {
  const conversations = new Map<string, Map<number, string>>();
  const told = (one: string, other: string, seq: number, messageId: string) => {
    const name = [one, other].sort().join(" and ");
    let numbers = conversations.get(name);
    if (numbers === undefined) conversations.set(name, numbers = new Map());
    const before = numbers.get(seq);
    if (before === undefined) numbers.set(seq, messageId);
    else if (before !== messageId) fault("seq", `${name}: number ${seq} is message ${before} and ${messageId}`);
  };
  for (const { account, handed, durable } of records) {
    const newest = new Map<string, number>();
    for (const { messageId, dest, seq } of durable) {
      told(account, dest, seq, messageId);
      if (seq <= (newest.get(dest) ?? 0)) {
        fault("seq", `${account} to ${dest}: ${seq} was said after ${newest.get(dest)}`);
      }
      newest.set(dest, Math.max(seq, newest.get(dest) ?? 0));
    }
    for (const { messageId, sender, seq } of handed) told(account, sender, seq, messageId);
  }
  for (const [name, numbers] of conversations) {
    for (let seq = 1; seq <= numbers.size; seq++) {
      if (numbers.has(seq)) continue;
      fault("seq", `${name}: nobody was told of number ${seq}, though of ${numbers.size} numbers`);
      break;
    }
  }
}
