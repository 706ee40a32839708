import { describe, expect, test } from "bun:test";
import { lineOf, readSource } from "../../scripts/source_text.ts";

describe("readSource", () => {
  // `_` stands for a blank that was something else.
  const rows = [
    { name: "a line comment", text: `a // Deno`, code: `a _______` },
    { name: "a block comment over two lines", text: "a /* x\n y */ b", code: "a ____\n_____ b" },
    { name: "quotes", text: `f("Deno", 'it\\'s')`, code: `f("____", '_____')` },
    { name: "a comment sign in quotes", text: `f("//x"); g`, code: `f("___"); g` },
    { name: "a quote in a comment", text: `a // it's\nb`, code: `a _______\nb` },
    { name: "a template with an expression", text: "`a${b + `c${d}`}e`", code: "`_${b + `_${d}`}_`" },
    { name: "a template with an object", text: "`a${f({ b })}c`", code: "`_${f({ b })}_`" },
    { name: "a regular expression", text: `x = /["'/]\\/*/g`, code: `x = /________/g` },
    { name: "a regular expression after return", text: `return /'/.test(a)`, code: `return /_/.test(a)` },
    { name: "a division", text: `a / b / "c"`, code: `a / b / "_"` },
    { name: "a first line for the shell", text: `#!/bin/deno\na`, code: `___________\na` },
    { name: "a comment that never ends", text: `a /* b`, code: `a ____` },
  ];
  test.each(rows)("blanks $name", ({ text, code }) => {
    const source = readSource(text);
    expect(source.code).toBe(code.replaceAll("_", " "));
    expect(source.comments.length).toBe(text.length);
  });

  test("keeps comments apart", () => {
    expect(readSource(`a /* b */ "c" // d`).comments).toBe(`  /* b */     // d`);
  });
});

test("lineOf counts from one", () => {
  expect([lineOf("a\nb\nc", 0), lineOf("a\nb\nc", 4)]).toEqual([1, 3]);
});
