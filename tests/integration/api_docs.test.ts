import { execFile, execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { promisify } from "node:util";
import { expect, test } from "bun:test";
import * as runtime from "#runtime";
import { API_KEY, ApiStand } from "../support/api_stand.ts";

const PAGE = readFileSync(new URL("../../src/docs/api.md", import.meta.url), "utf8");
const blocks = (language: string) =>
  [...PAGE.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\\n\`\`\``, "g"))].map(([, text]) => text!);

/** Why it is left out: it needs curl and a POSIX shell. */
const missing = has("curl", "sh") ? "" : " (skipped: there is no curl or sh)";

test.skipIf(missing !== "")(`the commands of src/docs/api.md do what the page shows${missing}`, async () => {
  await using stack = new AsyncDisposableStack();
  const stand = stack.use(await ApiStand.start({ hmac: runtime.hmacSha256("a secret") }));
  const http = stack.use(
    await runtime.serveHttp({ hostname: "127.0.0.1", port: 0 }, (request, env) => stand.api.app.fetch(request, env)),
  );
  const env = { ...process.env, PETREL_API_KEY: API_KEY };
  const answers: string[] = [];
  for (const script of blocks("sh").filter((text) => text.includes("curl"))) {
    const text = script.replaceAll("http://localhost:8000", http.url);
    const { stdout } = await promisify(execFile)("sh", ["-e", "-c", text], { env, timeout: 60_000 });
    answers.push(stdout);
  }
  // What a command prints last is shown below it.
  expect(answers.map((text) => shapeOf(lastJson(text)))).toEqual(
    blocks("json").map((text) => shapeOf(JSON.parse(text))),
  );
});

/** What stands after the last command's output began. */
function lastJson(text: string): unknown {
  for (let at = text.indexOf("{"); at >= 0; at = text.indexOf("{", at + 1)) {
    try {
      return JSON.parse(text.slice(at));
    } catch {
      // more than one object follows: the next one
    }
  }
  throw new Error(`No JSON in ${text}`);
}

/** Names and types, without values. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shapeOf(one)]).sort());
}

function has(...programs: string[]): boolean {
  try {
    for (const one of programs) execFileSync("sh", ["-c", `command -v ${one}`], { stdio: "ignore" });
    return true;
  } catch {
    return false; // not even a shell
  }
}
