import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type ClientRecord,
  DELIVERY_FAULTS,
  type DeliveryFault,
  deliveryLines,
  judgeDelivery,
} from "./delivery_judge.ts";
import type { Handed } from "./delivery_judge.ts";
import { Random } from "./random.ts";

type Spoilt = { -readonly [Key in keyof ClientRecord]: ClientRecord[Key] };

/** Records of clients of a right server that do everything right. The seed decides who talks to whom. */
function rightRecords(seed: number, accounts = 4, messages = 60): Spoilt[] {
  const random = new Random(seed);
  const records = Array.from({ length: accounts }, (_, i) => {
    return {
      account: `a${i}`,
      handed: [] as Handed[],
      durable: [] as Spoilt["durable"][number][],
      inbox: [] as Spoilt["inbox"][number][],
    };
  });
  const numbers = new Map<string, number>();
  for (let i = 0; i < messages; i++) {
    const from = random.between(0, accounts);
    const to = (from + random.between(1, accounts)) % accounts;
    const [sender, receiver] = [records[from]!, records[to]!];
    const pair = [sender.account, receiver.account].sort().join();
    const seq = (numbers.get(pair) ?? 0) + 1;
    numbers.set(pair, seq);
    const row = { messageId: `${1000 + i}`, id: `m${i}`, sender: sender.account };
    sender.inbox.push({ ...row, direction: 1, pos: sender.inbox.length + 1 });
    sender.durable.push({ messageId: row.messageId, dest: receiver.account, seq });
    const pos = receiver.inbox.length + 1;
    receiver.inbox.push({ ...row, direction: 0, pos });
    receiver.handed.push({ ...row, pos, seq });
  }
  return records;
}

function found(records: readonly ClientRecord[]): DeliveryFault[] {
  const verdict = judgeDelivery(records);
  return DELIVERY_FAULTS.filter((name) => verdict[name].count > 0);
}

/** Spoils what one client handed over: `at` is somewhere inside. */
function onHanded(
  spoil: (handed: readonly Handed[], at: number) => Handed[],
): (records: Spoilt[], random: Random) => void {
  return (records, random) => {
    const record = records.find(({ handed }) => handed.length > 3)!;
    record.handed = spoil(record.handed, random.between(1, record.handed.length - 1));
  };
}

const PLANTS: [string, DeliveryFault[], (records: Spoilt[], random: Random) => void][] = [
  ["a message is not handed over", ["missing"], onHanded((list, at) => list.toSpliced(at, 1))],
  ["the last message is not handed over", ["missing"], onHanded((list) => list.slice(0, -1))],
  ["a message is handed over twice in a row", ["twice"], onHanded((list, at) => list.toSpliced(at, 0, list[at]!))],
  ["a message comes again much later", ["twice"], onHanded((list, at) => [...list, list[at]!])],
  [
    "a message of nobody is handed over",
    ["extra"],
    onHanded((list, at) => list.toSpliced(at, 0, { ...list[at]!, messageId: "7" })),
  ],
  ["a message names another sender", ["extra"], onHanded((list, at) => list.with(at, { ...list[at]!, sender: "a9" }))],
  ["a message has another text", ["extra"], onHanded((list, at) => list.with(at, { ...list[at]!, id: "m999" }))],
  ["a message has another position", ["extra"], onHanded((list, at) => list.with(at, { ...list[at]!, pos: 999 }))],
  ["a number of a conversation is given twice", ["seq"], (records) => {
    const record = records.find(({ durable }) => durable.length > 1)!;
    const [first, ...rest] = record.durable;
    record.durable = [{ ...first!, messageId: "9" }, ...rest];
  }],
  ["a conversation skips a number", ["seq"], (records) => {
    for (const record of records) {
      const later = <T extends { seq: number }>(one: T): T => ({ ...one, seq: one.seq + 1 });
      record.handed = record.handed.map(later);
      record.durable = record.durable.map(later);
    }
  }],
];

describe("the judge of deliveries", () => {
  test("finds nothing where every client does everything right", () => {
    fc.assert(fc.property(fc.nat(), fc.integer({ min: 2, max: 6 }), fc.nat(80), (seed, accounts, messages) => {
      const records = rightRecords(seed, accounts, messages);
      expect({ found: found(records), lines: deliveryLines(judgeDelivery(records)) }).toEqual({ found: [], lines: [] });
    }));
  });

  test.each(PLANTS)("finds it when %s", (_what, expected, spoil) => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const records = rightRecords(seed);
        spoil(records, new Random(seed));
        const faults = found(records);
        // What was put in the place of a message is also that message missing, and its number told wrongly.
        expect(faults).toEqual(expect.arrayContaining(expected));
        const allowed: DeliveryFault[] = expected[0] === "extra" ? ["extra", "missing", "seq"] : expected;
        expect(faults.filter((fault) => !allowed.includes(fault))).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  test("finds it when two neighbours are handed over in the wrong order", () => {
    const records = rightRecords(3);
    const record = records.find(({ handed }) => handed.length > 3)!;
    const [first, second, ...rest] = record.handed;
    record.handed = [second!, first!, ...rest];
    const sameSender = first!.sender === second!.sender;
    expect(found(records)).toEqual(sameSender ? ["order", "seq"] : ["order"]);
    expect(deliveryLines(judgeDelivery(records)).join("\n")).toContain(`after position ${second!.pos}`);
  });
});
