/**
 * The name of one row of `test.each`, as `bun test` prints it. `%s %d %i %f %j %o %p` take the row's values in turn,
 * `%#` is the row's index, `%%` a percent sign; `$key` and `$key.inner` read the row's first value when that is an
 * object. What cannot be filled stays as written.
 */
export function rowName(pattern: string, row: readonly unknown[], index: number): string {
  let next = 0;
  return pattern.replace(/%[sdifjop#%]|\$[A-Za-z_][\w.]*/g, (mark) => {
    if (mark === "%%") return "%";
    if (mark === "%#") return String(index);
    if (mark.startsWith("$")) return lookUp(row[0], mark);
    return next < row.length ? print(mark, row[next++]) : mark;
  });
}

function print(mark: string, value: unknown): string {
  switch (mark) {
    case "%s":
      return String(value);
    case "%d":
    case "%f":
      return typeof value === "bigint" ? String(value) : String(Number(value));
    case "%i":
      return typeof value === "bigint" ? String(value) : String(Math.trunc(Number(value)));
    default:
      return json(value);
  }
}

function lookUp(row: unknown, mark: string): string {
  let value = row;
  for (const key of mark.slice(1).split(".")) {
    if (typeof value !== "object" || value === null || !(key in value)) return mark;
    value = (value as Record<string, unknown>)[key];
  }
  return typeof value === "object" && value !== null ? json(value) : String(value);
}

function json(value: unknown): string {
  const text = JSON.stringify(value, (_, inner) => typeof inner === "bigint" ? `${inner}n` : inner);
  return text ?? String(value);
}
