/** `: did you mean --http?`, or nothing when no known word is near enough to be a slip of the same word. */
export function didYouMean(word: string, known: readonly string[]): string {
  let best: string | undefined;
  let least = Math.max(1, Math.floor(core(word).length / 3)) + 1;
  for (const one of known) {
    const distance = distanceOf(core(word), core(one));
    if (distance < least) [best, least] = [one, distance];
  }
  return best === undefined ? "" : `: did you mean ${best}?`;
}

/** What tells the words apart: without the beginning they share. */
function core(word: string): string {
  return word.replace(/^(--|PETREL_)/, "").toLowerCase();
}

/** Letters to add, drop or change to get from one to the other. */
function distanceOf(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (from[i] === to[j] ? 0 : 1)));
    }
    row = next;
  }
  return row[to.length]!;
}
