import { TEXT } from "./limits.ts";

// Controls, spaces and the separators of keys, lists and conversation names.
// deno-lint-ignore no-control-regex
const FORBIDDEN = /[\u0000-\u0020\u007f-\u00a0\u2028\u2029\ufeff\ud800-\udfff,/|:]|\s/u;

/** Is this a legal app, account or device name: 1 to 60 code points, no controls, spaces, `,` `/` `|` `:`. */
export function isName(text: string): boolean {
  return text.length > 0 && codePoints(text, TEXT.name) <= TEXT.name && !FORBIDDEN.test(text);
}

/** How many code points, counting no further than one past `enough`. */
export function codePoints(text: string, enough = Infinity): number {
  if (text.length <= enough) return text.length; // cheap upper bound: it can only be fewer
  let count = 0;
  for (const _ of text) if (++count > enough) break;
  return count;
}
