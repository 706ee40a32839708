// Combining marks, variation selectors, joiners and other characters that take no column.
const ZERO = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
// East Asian wide and full-width ranges, and emoji that are shown as pictures.
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}\p{Emoji_Presentation}]$/u;

/** Columns that a text takes in a terminal: near enough to know how many rows it has. No escape sequences in it. */
export function textWidth(text: string): number {
  let width = 0;
  for (const char of text) {
    if (char >= " " && char <= "~") width++;
    else if (!ZERO.test(char)) width += WIDE.test(char) ? 2 : 1;
  }
  return width;
}

/** A text broken into rows of at most so many columns; line ends of its own are kept. */
export function wrapTo(text: string, columns: number): string[] {
  const rows: string[] = [];
  for (const line of text.split("\n")) {
    let row = "";
    let width = 0;
    for (const char of line) {
      const more = textWidth(char);
      if (width + more > columns && row !== "") {
        rows.push(row);
        row = "";
        width = 0;
      }
      row += char;
      width += more;
    }
    rows.push(row);
  }
  return rows;
}

/** The beginning of a text that fits into so many columns; `…` stands for the rest. */
export function cutTo(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  let width = 0;
  let cut = "";
  for (const char of text) {
    width += textWidth(char);
    if (width > columns - 1) break;
    cut += char;
  }
  return cut + "…";
}
