import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { tempDir } from "../../../tests/support/temp.ts";
import { pickTarget, rolesThat } from "./fault_target.ts";
import { parseTargets, readTargets } from "./target_file.ts";

describe("a file of targets", () => {
  test("gives what each can do, as shell commands", async () => {
    await using folder = await tempDir();
    const file = folder.in("targets.json");
    const log = folder.in("log");
    const say = (word: string) => `echo ${word} >> ${log}`;
    writeFileSync(
      file,
      JSON.stringify({
        targets: [
          { name: "logic01", role: "logic", kill: say("kill1"), start: say("start1") },
          { name: "logic02", role: "logic", kill: say("kill2"), start: say("start2"), pause: "false", resume: "true" },
          { name: "redis", role: "redis", flush: say("flush") },
        ],
      }),
    );
    const targets = readTargets(file);
    expect([rolesThat(targets, "kill"), rolesThat(targets, "pause"), rolesThat(targets, "flush")])
      .toEqual([["logic"], ["logic"], ["redis"]]);
    await pickTarget(targets, "logic", "kill", 0.9).kill!();
    await pickTarget(targets, "logic", "kill", 0.1).start!();
    await pickTarget(targets, "redis", "flush", 0.5).flush!();
    expect(readFileSync(log, "utf8")).toBe("kill2\nstart1\nflush\n");
    await expect(targets[1]!.pause!()).rejects.toThrow("logic02, pause: ended with 1");
    expect(() => pickTarget(targets, "royal", "kill", 0)).toThrow("no such target");
  });

  test.each([
    [{}, "expected {"],
    [{ targets: [] }, "expected {"],
    [{ targets: [{ name: "a", role: "b", kill: "x" }] }, "kill needs start"],
    [{ targets: [{ name: "a", role: "b", heal: "x" }] }, "heal needs cut"],
    [{ targets: [{ name: "a", role: "b", pauze: "x" }] }, "no such key pauze"],
    [{ targets: [{ name: "a", role: "b", flush: 3 }] }, "flush must be a text"],
    [{ targets: [{ name: "a", flush: "x" }] }, "needs a name and a role"],
    [{ targets: [{ name: "a", role: "b" }, { name: "a", role: "c" }] }, "two targets are called a"],
  ])("%j is refused", (content, words) => {
    expect(() => parseTargets(content, "targets.json")).toThrow(words);
  });
});
