import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { check } from "./checker.ts";
import { cleanHistory } from "./clean_history.fixture.ts";
import { FileHistory, type HistoryEvent, readHistory } from "./history.ts";
import { PLANTS } from "./planted_faults.fixture.ts";
import { Random } from "./random.ts";
import { type Fault, FAULTS, type Verdict, verdictLines } from "./verdict.ts";

/** The kinds of faults found. */
function found(verdict: Verdict): Fault[] {
  return FAULTS.filter((name) => verdict.faults[name].count > 0);
}

describe("the checker", () => {
  test("finds nothing in any clean history", () => {
    fc.assert(fc.property(fc.nat(), fc.integer({ min: 2, max: 8 }), fc.nat(150), (seed, accounts, sends) => {
      const verdict = check(cleanHistory(seed, accounts, sends));
      expect({ found: found(verdict), examples: verdictLines(verdict) }).toMatchObject({ found: [] });
      expect(verdict.clean).toBe(true);
      expect(verdict.unjudged).toBe(0);
    }));
  });

  test.each([...PLANTS])("finds exactly this: $name", ({ fault, spoil }) => {
    let planted = 0;
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const spoilt = spoil(cleanHistory(seed), new Random(seed));
        fc.pre(spoilt !== undefined);
        planted++;
        const verdict = check(spoilt!);
        expect({ found: found(verdict), lines: verdictLines(verdict) }).toMatchObject({ found: [fault] });
        expect(verdict.clean).toBe(false);
      }),
      { numRuns: 40 },
    );
    expect(planted).toBeGreaterThan(0);
  });

  test("counts unanswered sends, stored or not, as unknown and not as faults", () => {
    const verdict = check([
      send(1, "m1"),
      send(2, "m2"),
      send(3, "m3"),
      { event: "no answer", at: 2, attempt: 1 },
      { event: "no answer", at: 2, attempt: 2 },
      inbox([["10", "m1"]]),
    ]);
    expect(verdict).toMatchObject({ clean: true, unknownStored: 1, unknownNotStored: 2, acked: 0 });
  });

  test("lets two attempts without a client id be stored twice, and one client id only once", () => {
    const rows: [string, string][] = [["10", "m1"], ["11", "m1"]];
    const silent = { event: "no answer", at: 2, attempt: 1 } as const;
    const ack = { event: "ack", at: 3, attempt: 2, status: 0, messageId: "11", sendTime: "1" } as const;
    expect(found(check([send(1, "m1"), silent, send(2, "m1"), ack, inbox(rows)]))).toEqual([]);
    expect(found(check([send(1, "m1", "k"), silent, send(2, "m1", "k"), ack, inbox(rows)]))).toEqual(["twice"]);
  });

  test("does not ask a reading for what was acked after it began", () => {
    const ack = { event: "ack", at: 10, attempt: 1, status: 0, messageId: "10", sendTime: "1" } as const;
    expect(found(check([send(1, "m1"), ack, inbox([], 5)]))).toEqual([]);
    expect(found(check([send(1, "m1"), ack, inbox([], 11)]))).toEqual(["lost"]);
  });

  test("says how many messages nobody could judge", () => {
    const ack = { event: "ack", at: 10, attempt: 1, status: 0, messageId: "10", sendTime: "1" } as const;
    expect(check([send(1, "m1"), ack])).toMatchObject({ clean: true, unjudged: 1 });
  });

  test("refuses a history that contradicts itself", () => {
    expect(() => check([{ event: "no answer", at: 1, attempt: 7 }])).toThrow("attempt 7");
    expect(() => check([send(1, "m1"), send(1, "m2")])).toThrow("attempt 1 was made twice");
  });
});

describe("a history file", () => {
  test("gives back what was recorded, and names a line that is no event", () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "petrel-history-"));
    try {
      const file = path.join(directory, "history.jsonl");
      const events = cleanHistory(5);
      {
        using history = new FileHistory(file);
        for (const event of events) history.record(event);
      }
      expect([...readHistory(file)]).toEqual(events);
      fs.appendFileSync(file, `{"event":"ack","at":1}\n`);
      expect(() => [...readHistory(file)]).toThrow(`line ${events.length + 1}`);
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  });
});

function send(attempt: number, id: string, key?: string): HistoryEvent {
  const more = key === undefined ? {} : { key };
  return { event: "send", at: 1, attempt, client: "ann", conn: "c1", id, dest: "bob", ...more };
}

function inbox(rows: [messageId: string, id: string][], at = 100): HistoryEvent {
  return {
    event: "inbox",
    at,
    client: "bob",
    via: "index",
    whole: true,
    rows: rows.map(([messageId, id]) => ({ messageId, id, direction: 0, sender: "ann" })),
  };
}

test("messages to a large group are ordered among themselves, and not with others of their channel", () => {
  const send = (attempt: number, apart: boolean): HistoryEvent[] => [
    {
      event: "send",
      at: attempt,
      attempt,
      client: "ann",
      conn: "c1",
      id: `m${attempt}`,
      dest: apart ? "group" : "bob",
      to: ["bob"],
      ...(apart ? { apart: true } : {}),
    },
    { event: "ack", at: attempt, attempt, status: 0, messageId: `${attempt}` },
  ];
  const sends = [...send(1, true), ...send(2, false), ...send(3, true), ...send(4, false)];
  const read = (...order: number[]): HistoryEvent => ({
    event: "inbox",
    at: 9,
    client: "bob",
    via: "index",
    whole: true,
    rows: order.map((n) => ({ messageId: `${n}`, id: `m${n}`, direction: 0, sender: "ann" })),
  });
  expect(check([...sends, read(2, 4, 1, 3)]).clean).toBe(true);
  expect(check([...sends, read(2, 4, 3, 1)]).faults.order.count).toBe(1);
  expect(check([...sends, read(4, 2, 1, 3)]).faults.order.count).toBe(1);
});
