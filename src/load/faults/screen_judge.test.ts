import { describe, expect, test } from "bun:test";
import { Random } from "../random.ts";
import type { InboxRow } from "../history.ts";
import type { ShownMessage } from "./crowd_member.ts";
import { judgeScreens, missingOn, SCREEN_FAULTS, type ScreenFault, type ScreenRecord } from "./screen_judge.ts";

const ROWS = 40;

function inbox(): InboxRow[] {
  return Array.from({ length: ROWS }, (_, i): InboxRow => ({
    messageId: `${1000 + i}`,
    id: `m${i}`,
    direction: i % 5 === 4 ? 1 : 0,
    sender: "ann",
    pos: i + 1,
  }));
}

const shownOn = (conn: number, rows: readonly InboxRow[]): ShownMessage[] =>
  rows.filter(({ direction }) => direction === 0).map(({ messageId, id, pos }) => ({
    messageId,
    id,
    conn,
    pos: pos!,
    room: "",
    seq: 0,
  }));

/** An old client on two connections: the second begins with what the first had shown and not acknowledged. */
function oldClient(): ScreenRecord {
  const rows = inbox();
  const index = shownOn(2, rows.slice(15, 25)).map((one) => ({ ...one, id: "" }));
  return {
    account: "bob",
    screen: [...shownOn(1, rows.slice(0, 20)), ...index, ...shownOn(2, rows.slice(25))],
    inbox: rows,
  };
}

/** One of ours, with a large group whose rows were made late: they stand at the inbox's end. */
function ourClient(): ScreenRecord {
  const rows = inbox();
  const own = shownOn(0, rows.slice(0, 30));
  const room = shownOn(0, rows.slice(30)).map((one, i) => ({ ...one, pos: 0, room: "g1", seq: i + 1 }));
  return { account: "carl", screen: own.flatMap((one, i) => room[i] ? [room[i], one] : [one]), inbox: rows };
}

type Spoil = (screen: ShownMessage[], random: Random) => ShownMessage[];

function at(random: Random, screen: readonly ShownMessage[], fits: (one: ShownMessage, i: number) => boolean): number {
  return random.pick(screen.map((_, i) => i).filter((i) => fits(screen[i]!, i)));
}

const PLANTS: readonly (readonly [name: string, fault: ScreenFault, spoil: Spoil])[] = [
  ["a message that no connection showed", "missing", (screen, random) => {
    const gone = random.pick(screen).messageId;
    return screen.filter(({ messageId }) => messageId !== gone);
  }],
  ["a message that is not in the inbox", "extra", (screen, random) => {
    const i = random.between(0, screen.length);
    return screen.toSpliced(i, 0, { ...screen[i]!, messageId: "7", id: "never" });
  }],
  ["another text", "extra", (screen, random) => {
    const i = at(random, screen, ({ id }) => id !== "");
    return screen.with(i, { ...screen[i]!, id: "changed" });
  }],
  ["shown again at once", "twice", (screen, random) => {
    const i = random.between(0, screen.length);
    return screen.toSpliced(i, 0, screen[i]!);
  }],
  ["shown again at the connection's end", "twice", (screen, random) => {
    const last = screen.at(-1)!;
    const i = at(random, screen, ({ conn }, n) => conn === last.conn && n < screen.length - 1);
    return [...screen, screen[i]!];
  }],
  ["two neighbours changed places", "order", (screen, random) => {
    const i = at(random, screen, (one, n) => screen[n + 1]?.conn === one.conn && screen[n + 1]!.room === one.room);
    return screen.with(i, screen[i + 1]!).with(i + 1, screen[i]!);
  }],
];

describe("screens judged by inboxes", () => {
  test.each([["old", oldClient], ["ours", ourClient]] as const)("a right one of %s has no fault", (_, make) => {
    const verdict = judgeScreens([make()]);
    expect(SCREEN_FAULTS.map((name) => verdict[name])).toEqual(SCREEN_FAULTS.map(() => ({ count: 0, examples: [] })));
    expect(missingOn(make())).toBe(0);
  });

  test.each(PLANTS)("%s is found, and nothing else", (_, fault, spoil) => {
    for (const make of [oldClient, ourClient]) {
      for (let seed = 0; seed < 30; seed++) {
        const record = make();
        const verdict = judgeScreens([{ ...record, screen: spoil([...record.screen], new Random(seed)) }]);
        expect([seed, verdict[fault].count, verdict[fault].examples.length]).toEqual([seed, 1, 1]);
        for (const other of SCREEN_FAULTS) {
          if (other !== fault) expect([other, verdict[other].count]).toEqual([other, 0]);
        }
      }
    }
  });

  test("old clients may show on another connection what one showed before; ours never", () => {
    const record = ourClient();
    const again = { ...record, screen: [...record.screen, record.screen[0]!] };
    expect(judgeScreens([again]).twice.count).toBe(1);
    expect(missingOn({ ...record, screen: record.screen.slice(1) })).toBe(1);
  });
});
