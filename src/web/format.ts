import type { Words } from "./words.ts";

/** `09:41`, in the reader's zone. */
export function clockTime(ms: number, { tag }: Words): string {
  return formatter(tag, "clock").format(ms);
}

/** Day and time to the second. */
export function fullTime(ms: number, { tag }: Words): string {
  return formatter(tag, "full").format(ms);
}

const FORMATS = {
  clock: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  full: { dateStyle: "full", timeStyle: "medium", hourCycle: "h23" },
} as const;

/** Kept: making one takes longer than using it a hundred times. */
const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(tag: string, format: keyof typeof FORMATS): Intl.DateTimeFormat {
  const key = `${tag} ${format}`;
  let made = formatters.get(key);
  if (!made) formatters.set(key, made = new Intl.DateTimeFormat(tag, FORMATS[format]));
  return made;
}

/** Midnight before it, in the reader's zone. */
export function dayOf(ms: number): number {
  const date = new Date(ms);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

/** `Today`, `Yesterday`, `Monday 3 August`; with the year when it is another. */
export function dayName(dayMs: number, nowMs: number, words: Words): string {
  const today = dayOf(nowMs);
  if (dayMs === today) return words.today;
  if (dayMs === dayOf(today - 12 * 3_600_000)) return words.yesterday;
  const year = new Date(dayMs).getFullYear() === new Date(nowMs).getFullYear() ? {} : { year: "numeric" as const };
  return new Intl.DateTimeFormat(words.tag, { weekday: "long", day: "numeric", month: "long", ...year }).format(dayMs);
}

/** For a list: the time today, else the day. */
export function shortTime(ms: number, nowMs: number, words: Words): string {
  const day = dayOf(ms);
  if (day === dayOf(nowMs)) return clockTime(ms, words);
  if (day === dayOf(dayOf(nowMs) - 12 * 3_600_000)) return words.yesterday;
  return new Intl.DateTimeFormat(words.tag, { day: "numeric", month: "short" }).format(ms);
}

/** `0.8 ms`, `3 ms`, `1.2 s`. */
export function duration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** The first letter a person would name, for a picture. */
export function initial(name: string, tag: string): string {
  for (const { segment } of new Intl.Segmenter(tag, { granularity: "grapheme" }).segment(name)) {
    return segment.length <= 16 ? segment.toLocaleUpperCase(tag) : [...segment][0]!;
  }
  return "";
}

/** An angle of the colour circle, always the same for one name. */
export function hue(name: string): number {
  let hash = 7;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)!) % 3_600;
  return hash % 360;
}

/** One line of a text, for a list. */
export function preview(body: string): string {
  return body.slice(0, 200).replace(/\s+/g, " ").trim();
}

/** Texts of so many characters or lines are shown folded. */
export function isLong(body: string): boolean {
  return body.length > 1_200 || (body.match(/\n/g)?.length ?? 0) > 18;
}

/** A text cut into plain pieces and web addresses. */
export function pieces(body: string): { readonly text: string; readonly url?: string }[] {
  const found: { text: string; url?: string }[] = [];
  let from = 0;
  for (const match of body.matchAll(/\bhttps?:\/\/[^\s<>"'`\p{C}]{1,500}/gu)) {
    const text = match[0].replace(/[.,;:!?)\]}…。，；：！？）】》]+$/u, "");
    if (!URL.canParse(text)) continue;
    if (match.index > from) found.push({ text: body.slice(from, match.index) });
    found.push({ text, url: text });
    from = match.index + text.length;
  }
  if (from < body.length) found.push({ text: body.slice(from) });
  return found;
}
