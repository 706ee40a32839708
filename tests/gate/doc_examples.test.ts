import { describe, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import process from "node:process";
import { readPage } from "../../scripts/doc_blocks.ts";
import { walk } from "../../scripts/doc_walk.ts";
import { tempDir } from "../support/temp.ts";

const block = (mark: string, text: string, language = "sh") => `${mark}\n\`\`\`${language}\n${text}\n\`\`\`\n`;

describe("readPage", () => {
  test("a block without a mark is a problem, with its line", () => {
    expect(readPage("a.md", `# A\n\n${block("", "ls")}`).problems).toEqual([
      "a.md:4: a block without a mark; scripts/doc_blocks.ts has them",
    ]);
  });

  test("a mark without a block, or one that says nothing, is a problem", () => {
    expect(readPage("a.md", "<!-- run: one -->\ntext").problems).toEqual(["a.md:1: no block follows this mark"]);
    expect(readPage("a.md", "<!-- press: one enter -->").problems).toHaveLength(1);
    expect(readPage("a.md", "<!-- open: tab -->").problems).toHaveLength(1);
  });

  test("programs are those that are written to files, or marked to be compiled", () => {
    const text = block("<!-- file: a.mjs -->", "1;", "js") + block("<!-- types -->", "2;", "ts") +
      block("<!-- file: a.html -->", "<p>", "html") + block("<!-- not run: a fragment -->", "3;", "ts");
    const { programs, unread, problems } = readPage("a.md", text);
    expect(programs.map((one) => one.text)).toEqual(["1;", "2;"]);
    expect(unread).toEqual(["a.md:14: a fragment"]);
    expect(problems).toEqual([]);
  });

  test("the generated reference needs no marks: what is no declaration is compiled", () => {
    const text = block("", 'import { a } from "petrel";', "ts") + block("", "export interface A {}", "ts") +
      block("", 'client.talk("bob", "hi");', "ts") + block("", "talk(dest: string): SentMessage", "ts");
    const programs = readPage("src/docs/reference_a.md", text).programs.map((one) => one.text.split("\n").at(-1));
    expect(programs).toEqual(['import { a } from "petrel";', 'client.talk("bob", "hi");']);
  });
});

describe("walk", () => {
  /** What a reader who has node is told at the end: "" when all went as the page says. */
  async function follow(text: string): Promise<string> {
    await using dir = await tempDir();
    await writeFile(dir.in("package.tgz"), "");
    const page = readPage("a.md", text);
    expect(page.problems).toEqual([]);
    const options = { form: "node", program: process.execPath, tarball: dir.in("package.tgz") } as const;
    return await walk(page, options).then(() => "", (error: Error) => error.message);
  }

  test("commands, files, typing and keys do what they do in a terminal", async () => {
    expect(
      await follow(
        block("<!-- file: deep/a.txt -->", "from a file", "text") +
          block("<!-- run: one -->", "cat deep/a.txt") +
          block("<!-- see: one -->", "from … file", "text") +
          block("<!-- start: two -->", "cat") +
          block("<!-- type: two -->", "one\ntwo", "text") +
          block("<!-- see: two -->", "one\ntwo", "text") +
          "<!-- press: two ctrl-d -->\n" +
          block("<!-- run: two -->", 'test "$HOME" != "" && ls || echo "nothing is on PATH but what a reader needs"') +
          block("<!-- see: two -->", "nothing is on PATH", "text"),
      ),
    ).toBe("");
  });

  test("what is not shown, or in another order, is told with its line and the output", async () => {
    const text = block("<!-- run: one -->", "echo a; echo b");
    expect(await follow(text + block("<!-- see: one -->", "c", "text"))).toContain(
      'a.md:6 (node): there is no "c"\na\nb',
    );
    expect(await follow(text + block("<!-- see: one -->", "b\na", "text"))).toContain('there is no "b / a"');
    const twice = block("<!-- see: one -->", "a", "text");
    expect(await follow(text + twice + twice)).toContain('a.md:10 (node): there is no "a"');
  });

  test("a command that fails is told", async () => {
    expect(await follow(block("<!-- run: one -->", "echo why; false"))).toContain(
      "a.md:2 (node): it ended with 1\nwhy",
    );
  });

  test("commands for readers who have something else are passed over", async () => {
    expect(await follow(block("<!-- run: one; bun -->", "false") + block("<!-- run: one; node -->", "true"))).toBe("");
  });
});
