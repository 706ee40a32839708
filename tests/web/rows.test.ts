import { describe, expect, test } from "bun:test";
import { rowsOf } from "../../src/web/rows.ts";
import { entry, own } from "./entry.fixture.ts";

const DAY = 86_400_000;
const dayOf = (ms: number) => Math.floor(ms / DAY);
const told = (entries: Parameters<typeof rowsOf>[0]) =>
  rowsOf(entries, { dayOf }).map((row) =>
    row.kind === "day"
      ? `day ${row.dayMs}`
      : row.kind === "entry"
      ? `${row.key}${row.first ? " first" : ""}${row.last ? " last" : ""}`
      : row.key
  );

describe("rows", () => {
  test("no messages are no rows", () => {
    expect(told([])).toEqual([]);
  });

  test("messages of one sender in short order are one group", () => {
    const rows = told([
      entry({ key: "1", timeMs: 0 }),
      entry({ key: "2", timeMs: 60_000 }),
      own({ key: "3", timeMs: 61_000 }),
      entry({ key: "4", timeMs: 62_000 }),
      entry({ key: "5", timeMs: 62_000 + 300_000 }),
    ]);
    expect(rows).toEqual(["day 0", "1 first", "2 last", "3 first last", "4 first last", "5 first last"]);
  });

  test("a new day begins with a separator and a new group", () => {
    expect(told([entry({ key: "1", timeMs: DAY - 1 }), entry({ key: "2", timeMs: DAY })])).toEqual(
      ["day 0", "1 first last", "day 1", "2 first last"],
    );
  });

  test("every row has a key of its own, also when a clock jumps back a day", () => {
    const rows = rowsOf([0, DAY, 0, DAY].map((timeMs, i) => entry({ key: `m:${i}`, timeMs })), { dayOf });
    expect(new Set(rows.map(({ key }) => key)).size).toBe(8);
  });

  test("where messages lack there is a gap, and no beginning above it", () => {
    const here = [2, 3, 7].map((seq) => entry({ key: `m:${seq}`, seq, timeMs: 0 }));
    const lacking = (from: number, to: number) => to >= from;
    const keys = (options: object) => rowsOf(here, { dayOf, lacks: lacking, ...options }).map(({ key }) => key);
    expect(keys({})).toEqual(["gap:2", "day:0:m:2", "m:2", "m:3", "gap:7", "day:0:m:7", "m:7"]);
    expect(keys({ after: 1, head: 7 })).toEqual(["day:0:m:2", "m:2", "m:3", "gap:7", "day:0:m:7", "m:7"]);
    expect(keys({ after: 1, head: 8 }).at(-1)).toBe("gap:end");
    expect(keys({ lacks: () => false })).toEqual(["beginning", "day:0:m:2", "m:2", "m:3", "m:7"]);
  });

  test("nothing is here and something is there: one gap", () => {
    const options = { dayOf, lacks: (from: number, to: number) => to >= from };
    expect(rowsOf([], { ...options, head: 5 })).toEqual([{ kind: "gap", key: "gap:end", before: undefined }]);
    expect(rowsOf([], options)).toEqual([]);
  });

  test("a notice stands between groups of bubbles, and its wording has a row of its own", () => {
    const notice = entry({ key: "n:1", state: "notice", body: "joined", timeMs: 1 });
    const rows = told([entry({ key: "1", timeMs: 0 }), notice, entry({ key: "2", timeMs: 2 })]);
    expect(rows).toEqual(["day 0", "1 first last", "n:1:joined", "2 first last"]);
  });
});
