/**
 * Kills a process that stores messages, again and again, and looks whether everything it answered is there.
 *
 *     bun tests/e2e/store_crash.ts --rounds 50 --seed 7
 */
import { DatabaseSync } from "node:sqlite";
import process from "node:process";
import { parseArgs } from "node:util";
import type { ConversationMessage } from "../../src/message/conversation_store.ts";
import type { InboxMessage } from "../../src/message/message_store.ts";
import { openSqliteStore, type SqliteStore } from "../../src/message/sqlite.ts";
import { stored, talk } from "../contract/message_talk.ts";
import { startScript } from "../support/processes.ts";
import { tempDir } from "../support/temp.ts";

export interface CrashOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly log: (line: string) => void;
}

/** What a process said it had stored. */
interface Claim {
  readonly sender: string;
  readonly dest: string;
  readonly id: string;
  readonly messageId: bigint;
  readonly sendTime: bigint;
  readonly seq: number;
  readonly senderPos: number;
  readonly receiverPos: number;
  /** Of a group: who got which position. */
  readonly fan: ReadonlyMap<string, number> | undefined;
  /** Of a large group. */
  readonly room: boolean;
}

/**
 * Each round kills the same store's process at a random time, or at a named point of a commit, and then compares.
 * Gives how many answers were checked. @throws Error with what is wrong, and the seed
 */
export async function crashRounds({ rounds, seed, log }: CrashOptions): Promise<number> {
  await using directory = await tempDir();
  const random = randomFrom(seed);
  const claims = new Map<string, Claim>();
  for (let round = 0; round < rounds; round++) {
    const point = random() < 0.5 ? "" : `${pick(POINTS, random)}=kill@${1 + Math.floor(random() * 120)}`;
    const afterMs = 50 + random() * 400;
    try {
      for (const claim of await crash(directory.path, `r${round}`, point, afterMs)) claims.set(claim.id, claim);
      const count = await compare(directory.path, claims, random);
      log(`round ${round + 1}: ${point || `${afterMs.toFixed(0)} ms`}, ${claims.size} answered, ${count} stored`);
    } catch (cause) {
      throw new Error(`Round ${round + 1} of seed ${seed} (${point || `${afterMs.toFixed(0)} ms`}) went wrong`, {
        cause,
      });
    }
  }
  return claims.size;
}

const POINTS = ["statement", "before-commit", "after-commit"];

/** Runs the process until it is dead; gives what it claimed. */
async function crash(directory: string, prefix: string, point: string, afterMs: number): Promise<Claim[]> {
  await using child = await startScript("tests/e2e/store_crash.fixture.ts", [directory, prefix], {
    env: { PETREL_FAULT: point || undefined },
  });
  await child.find(/open\n/);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const time = new Promise((resolve) => timer = setTimeout(resolve, point ? 10_000 : afterMs));
  await Promise.race([time, child.exited]);
  clearTimeout(timer);
  const { signal } = await child.kill();
  if (signal !== "SIGKILL") throw new Error(`The process ended by itself: ${child.stderr}`);
  const lines = child.stdout.slice(0, child.stdout.lastIndexOf("\n")).split("\n"); // the last may be cut
  return lines.filter((line) => line.startsWith("stored ")).map((line) => {
    const [, sender = "", dest = "", id = "", messageId, sendTime, ...numbers] = line.split(" ");
    const [seq = 0, senderPos = 0, receiverPos = 0] = numbers.map(Number), positions = numbers[3] ?? "";
    return {
      sender,
      dest,
      id,
      messageId: BigInt(messageId!),
      sendTime: BigInt(sendTime!),
      seq,
      senderPos,
      receiverPos,
      fan: positions.includes(":") ? readFan(positions) : undefined,
      room: positions === "room",
    };
  });
}

function readFan(positions: string): Map<string, number> {
  return new Map(
    positions.split(",").map((one) => {
      const [account = "", pos] = one.split(":");
      return [account, Number(pos)];
    }),
  );
}

/** Looks at all of the store. Gives how many messages it has. */
async function compare(directory: string, claims: ReadonlyMap<string, Claim>, random: () => number): Promise<number> {
  await using store = await openSqliteStore({ directory, threads: false });
  integrity(`${directory}/messages.db`);
  const inboxes = new Map<string, InboxMessage[]>();
  for (let i = 0; i < 12; i++) inboxes.set(`a${i}`, await inboxOf(store, `a${i}`));
  const sent = [...inboxes.values()].flat().filter((row) => row.direction === 1);
  dense(sent);
  const rooms = new Map<string, readonly ConversationMessage[]>();
  for (const claim of claims.values()) {
    if (claim.room) {
      if (!rooms.has(claim.dest)) rooms.set(claim.dest, await roomOf(store, claim.dest));
      const row = rooms.get(claim.dest)?.[claim.seq - 1];
      const there = row?.messageId === claim.messageId && row.body === claim.id && row.sender === claim.sender;
      check(there, "an answered message is not in its large group", claim, row);
      continue;
    }
    const row = inboxes.get(claim.sender)?.[claim.senderPos - 1];
    check(same(row, claim, claim.senderPos, 1), "an answered message is not in its sender's inbox", claim, row);
    for (const [account, pos] of claim.fan ?? []) {
      const member = inboxes.get(account)?.[pos - 1];
      const there = same(member, claim, pos, account === claim.sender ? 1 : 0) && member?.group === claim.dest;
      check(there, "an answered message is not in a member's inbox", account, claim, member);
    }
    if (claim.fan || claim.sender === claim.dest) continue;
    const other = inboxes.get(claim.dest)?.[claim.receiverPos - 1];
    check(same(other, claim, claim.receiverPos, 0), "an answered message is not in its receiver's inbox", claim, other);
  }
  for (const claim of sample([...claims.values()], 20, random)) {
    const group = claim.room || claim.fan !== undefined;
    const request = talk(claim.sender, claim.dest, { group, body: claim.id, clientMsgId: claim.id });
    const again = await stored(store, request);
    check(again.duplicate && again.messageId === claim.messageId, "an answered message is stored again", claim, again);
  }
  return sent.length + [...rooms.values()].flat().length;
}

/** Every message of a large group. */
async function roomOf(store: SqliteStore, group: string): Promise<readonly ConversationMessage[]> {
  const { rows, head } = await store.roomMessages("kim", group, 0, 1_000_000);
  check(rows.length === head, "a group has fewer messages than its head says", group, head);
  for (const [i, row] of rows.entries()) check(row.seq === i + 1, "a group has a hole", group, row);
  return rows;
}

/** Every position once, each inbox row with its message. */
async function inboxOf(store: SqliteStore, account: string): Promise<InboxMessage[]> {
  const rows: InboxMessage[] = [];
  const [head] = await store.heads("kim", [account]);
  for (let after = 0; after < head!.pos;) {
    const page = await store.messages("kim", account, { after, limit: 1_000 });
    rows.push(...page.rows);
    after = page.scannedTo;
  }
  check(rows.length === head!.pos, "an inbox has fewer rows than its head says", account, head);
  for (const [i, row] of rows.entries()) check(row.pos === i + 1, "an inbox has a hole", account, row);
  return rows;
}

/** Every conversation's numbers are 1, 2, 3…, and no client id is there twice. */
function dense(sent: readonly InboxMessage[]): void {
  const numbers = new Map<string, number[]>(), ids = new Set<string | undefined>();
  for (const row of sent) {
    check(!ids.has(row.clientMsgId), "a message is stored twice", row);
    ids.add(row.clientMsgId);
    const pair = row.group || [row.sender, row.peer].sort().join();
    numbers.set(pair, [...numbers.get(pair) ?? [], row.seq]);
  }
  for (const [pair, all] of numbers) {
    all.sort((a, b) => a - b);
    check(all.every((seq, i) => seq === i + 1), "a conversation has a hole", pair);
  }
}

function integrity(path: string): void {
  const db = new DatabaseSync(path, { readOnly: true });
  const [found] = Object.values(db.prepare("PRAGMA integrity_check").get() ?? {});
  db.close();
  check(found === "ok", "integrity_check", found);
}

function same(row: InboxMessage | undefined, claim: Claim, pos: number, direction: number): boolean {
  return row?.messageId === claim.messageId && row.body === claim.id && row.seq === claim.seq && row.pos === pos &&
    row.direction === direction && row.sendTime === claim.sendTime;
}

function check(holds: boolean, what: string, ...facts: unknown[]): void {
  const words = (_: string, value: unknown) => typeof value === "bigint" ? String(value) : value;
  if (!holds) throw new Error(`${what}: ${JSON.stringify(facts, words)}`);
}

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function pick<Item>(items: readonly Item[], random: () => number): Item {
  return items[Math.floor(random() * items.length)]!;
}

function sample<Item>(items: readonly Item[], count: number, random: () => number): Item[] {
  return items.length === 0 ? [] : Array.from({ length: count }, () => pick(items, random));
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { rounds: { type: "string" }, seed: { type: "string" }, help: { type: "boolean" } },
  });
  if (values.help) {
    console.log(
      "Usage: store_crash.ts [--rounds 20] [--seed 1]\nKills a storing process and looks for what it answered.",
    );
    process.exit(0);
  }
  const count = await crashRounds({
    rounds: Number(values.rounds ?? 20),
    seed: Number(values.seed ?? Date.now() % 1e6),
    log: (line) => console.log(line),
  });
  console.log(`${count} answered messages, none missing`);
}
