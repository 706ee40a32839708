import { expect, test } from "bun:test";
import { ClusterLines } from "./lines.ts";

function written(colors: boolean, ...lines: [string, string][]): string[] {
  const out: string[] = [];
  const all = new ClusterLines(["ws1", "logic1", "cluster"], colors, (text) => out.push(text));
  for (const [name, text] of lines) all.line(name, text);
  return out;
}

test("names are aligned, entries of a log readable, every line of a text has its name", () => {
  const entry = JSON.stringify({ level: "info", time: "2026-11-21T12:00:00.123Z", msg: "started", id: "ws1-a" });
  expect(written(false, ["ws1", entry], ["logic1", "one\ntwo"])).toEqual([
    expect.stringMatching(/^ws1 {5}\| \d\d:\d\d:00\.123 info {2}started {2}id=ws1-a\n$/),
    "logic1  | one\n",
    "logic1  | two\n",
  ]);
});

test("each name has its color, and only the name", () => {
  const [one, other] = written(true, ["ws1", "x"], ["logic1", "x"]);
  expect(one!.replace(/\d+m/, "1m")).toBe("\x1b[1mws1     |\x1b[0m x\n");
  expect(one!.slice(0, 5)).not.toBe(other!.slice(0, 5));
});
