import { expect, test } from "bun:test";
import { languageOf, WORDS } from "../../src/web/language.ts";

/** Every text with its path; functions are asked with 1 and with 7. */
function texts(words: object, path = ""): [string, string][] {
  return Object.entries(words).flatMap(([key, value]: [string, unknown]): [string, string][] => {
    const here = `${path}${key}`;
    if (typeof value === "string") return [[here, value]];
    if (typeof value === "function") return [1, 7].map((n) => [`${here}(${n})`, String(value(n, n))]);
    return texts(value as object, `${here}.`);
  });
}

test("both languages say everything, and say something", () => {
  const [en, zh] = [texts(WORDS.en), texts(WORDS.zh)];
  expect(zh.map(([path]) => path)).toEqual(en.map(([path]) => path));
  for (const [path, text] of [...en, ...zh]) {
    if (path === "gap") continue; // what stands between two sentences
    expect([path, text.trim() !== "" && !text.includes("undefined")]).toEqual([path, true]);
  }
});

test("numbers and names are in the texts that are about them", () => {
  for (const [path, text] of [...texts(WORDS.en), ...texts(WORDS.zh)]) {
    if (path.endsWith("(7)")) expect([path, text.includes("7")]).toEqual([path, true]);
  }
});

test.each([
  [["zh-TW", "en"], "zh"],
  [["de", "zh-CN"], "zh"],
  [["de", "fr"], "en"],
  [["EN-us"], "en"],
  [[], "en"],
])("a reader of %j gets %s", (wanted, language) => {
  expect(languageOf(wanted as string[])).toBe(language as "en" | "zh");
});
