import { EN, type Words } from "./words.ts";
import { ZH } from "./words_zh.ts";

export type Language = "en" | "zh";

export const WORDS: Readonly<Record<Language, Words>> = { en: EN, zh: ZH };

/** The first of a reader's languages that we have; English when there is none. */
export function languageOf(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const primary = tag.toLowerCase().split("-")[0];
    if (primary === "zh" || primary === "en") return primary;
  }
  return "en";
}
