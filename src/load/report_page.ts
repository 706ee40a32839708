import fs from "node:fs";
import type { Charts } from "./timeline.ts";

/** What a report shows, whatever was measured. */
export interface ReportContent {
  readonly title: string;
  /** Counts that decide: 0 is right. */
  readonly tiles: readonly (readonly [label: string, count: number])[];
  /** What is wrong; none: all is right. */
  readonly faults: readonly string[];
  /** More about it, line by line. */
  readonly details?: readonly string[];
  readonly rows: readonly (readonly [label: string, value: string])[];
  /** Machine, disk, command. */
  readonly where: readonly (readonly [label: string, value: string])[];
  readonly charts: Charts | undefined;
  /** The same for machines: offered as a download. */
  readonly figures: Readonly<Record<string, unknown>>;
}

const TEMPLATE = new URL("./report_page.html", import.meta.url);
const PLACE = '"{{data}}"';

/** One HTML file that needs nothing else: style, script and data are in it. */
export function reportPage(content: ReportContent): string {
  const at = new Date().toISOString();
  const json = JSON.stringify(
    { ...content, at },
    (_key, value: unknown) => value instanceof Map ? Object.fromEntries(value) : value,
  );
  const [before, after] = fs.readFileSync(TEMPLATE, "utf8").split(PLACE);
  return `${before}${json.replaceAll("<", "\\u003c")}${after}`; // no "</script>" inside the data
}
