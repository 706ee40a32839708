import { expect, test } from "bun:test";
import {
  clockTime,
  dayName,
  dayOf,
  duration,
  hue,
  initial,
  isLong,
  pieces,
  preview,
  shortTime,
} from "../../src/web/format.ts";
import { WORDS } from "../../src/web/language.ts";

const local = (...parts: [number, number, number, number?, number?]): number => new Date(...parts).getTime();
const NOW = local(2026, 2, 2, 15, 4);

test("a time of day has 24 hours, also at midnight", () => {
  expect(clockTime(local(2026, 2, 2, 0, 5), WORDS.en)).toBe("00:05");
  expect(clockTime(NOW, WORDS.zh)).toBe("15:04");
});

test("days are named by how far away they are", () => {
  const name = (ms: number, words = WORDS.en) => dayName(dayOf(ms), NOW, words);
  expect(name(NOW)).toBe("Today");
  expect(name(local(2026, 2, 1, 23, 59))).toBe("Yesterday");
  expect(name(local(2026, 2, 1, 0, 0), WORDS.zh)).toBe("昨天");
  expect(name(local(2026, 1, 3))).toContain("February");
  expect(name(local(2026, 1, 3))).not.toContain("2026");
  expect(name(local(2025, 11, 31))).toContain("2025");
  expect(name(NOW + 3_600_000 * 24)).toContain("March"); // another clock may be ahead
});

test("a list shows the time today and the day before", () => {
  expect(shortTime(NOW, NOW, WORDS.en)).toBe("15:04");
  expect(shortTime(local(2026, 2, 1, 8), NOW, WORDS.en)).toBe("Yesterday");
  expect(shortTime(local(2026, 1, 3, 8), NOW, WORDS.en)).toContain("Feb");
});

test.each([[0.84, "0.8 ms"], [12.6, "13 ms"], [1_240, "1.2 s"]])("%d ms is told as %s", (ms, text) => {
  expect(duration(ms as number)).toBe(text as string);
});

test("the first letter is what a reader takes for one", () => {
  expect(initial("ann", "en")).toBe("A");
  expect(initial("小明", "zh")).toBe("小");
  expect(initial("👩‍👩‍👧family", "en")).toBe("👩‍👩‍👧");
  expect(initial("e\u0301a", "en")).toBe("E\u0301");
  expect([...initial("Z" + "\u0335".repeat(50), "en")]).toHaveLength(1);
  expect(initial("", "en")).toBe("");
});

test("a name has one colour", () => {
  expect(hue("ann")).toBe(hue("ann"));
  for (const name of ["ann", "bob", "小明", "😀".repeat(60)]) expect(hue(name) >= 0 && hue(name) < 360).toBe(true);
});

test("a preview is one short line", () => {
  expect(preview(" a\n\n b\t c ")).toBe("a b c");
  expect(preview("x".repeat(5_000))).toHaveLength(200);
});

test("long texts and texts of many lines are folded", () => {
  expect([isLong("x".repeat(1_201)), isLong("\n".repeat(19)), isLong("hello\nworld")]).toEqual([true, true, false]);
});

test("web addresses become links, and nothing else does", () => {
  const links = (body: string) => pieces(body).flatMap(({ url }) => url ?? []);
  expect(pieces("see https://a.example/b?c=1, now")).toEqual([
    { text: "see " },
    { text: "https://a.example/b?c=1", url: "https://a.example/b?c=1" },
    { text: ", now" },
  ]);
  expect(links("（https://a.example）")).toEqual(["https://a.example"]);
  for (const not of ["javascript:alert(1)", "data:text/html,x", "https://", "ftp://a.example", "xhttps:/a"]) {
    expect(links(not)).toEqual([]);
  }
  expect(links("https://a.example/\u202Egnp.exe")).toEqual(["https://a.example/"]);
  for (
    const body of ["https://a.example https://b.example", "<script>https://c.example</script>", "", "😀".repeat(99)]
  ) {
    expect(pieces(body).map(({ text }) => text).join("")).toBe(body);
  }
});
