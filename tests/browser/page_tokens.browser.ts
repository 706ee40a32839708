/** The chat page in a real browser, when tokens expire or are revoked. Run by scripts/ok.ts alone. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startScript } from "../support/processes.ts";
import { ChatStand } from "./chat_stand.ts";
import { ChatTab } from "./chat_tab.ts";
import { DevServer } from "./server.ts";
import { until } from "./until.ts";

let stand: ChatStand;

beforeAll(async () => {
  stand = await ChatStand.start();
}, 60_000);

afterAll(() => stand?.[Symbol.asyncDispose](), 30_000);

/** Runs a command of ours to its end. */
async function petrel(...words: string[]): Promise<void> {
  await using command = await startScript("src/cli/main.ts", words);
  expect(await command.exited).toEqual({ code: 0, signal: null });
}

test("a token that has expired or is revoked is told as such, and another one goes on where it was", async () => {
  await using server = await DevServer.start({ env: { PETREL_DEMO: "off" } });
  await using context = await stand.browser.newContext();
  const tab = await ChatTab.open(context, server.http);
  await tab.is("login");
  const logIn = async (token: string) => {
    await tab.part("account").fill("ann");
    await tab.part("peer").fill("bob");
    await tab.part("token").fill(token);
    await tab.part("login-submit").click();
  };
  await logIn(server.token("ann", -60));
  await tab.is("closed");
  await tab.part("sign-in-again").click();
  await tab.is("login");
  await logIn(server.token("ann", 6));
  await tab.is("online");
  await tab.say("in time");
  await tab.shows(["in time"]);
  await tab.is("closed");
  expect(await tab.part("closed-notice").textContent()).toContain("The token has expired");
  await tab.part("sign-in-again").click();
  const second = server.token("ann");
  await logIn(second);
  await tab.is("online");
  await tab.say("again");
  await tab.shows(["in time", "again"]);
  await petrel("revoke", "--token", second, "--data", server.data);
  await tab.is("closed");
  expect(await tab.part("closed-notice").textContent()).toContain("Access for this account or token was withdrawn");
  await tab.part("sign-in-again").click();
  await logIn(server.token("ann", 7_200));
  await tab.is("online");
  await tab.shows(["in time", "again"]);
  expect(tab.complaints).toEqual([]);
}, 30_000);

test("an account that is refused is told so, and goes on when it is let in again", async () => {
  const [ann, bob] = stand.pair();
  await using context = await stand.browser.newContext();
  const tab = await stand.open(context, ann, bob);
  await tab.say("before");
  await tab.shows(["before"]);
  const revoke = (...more: string[]) => petrel("revoke", "--account", ann, "--data", stand.server.data, ...more);
  await revoke("--for", "1h");
  await tab.is("closed");
  expect(await tab.part("closed-notice").textContent()).toContain("The server does not accept the token");
  await tab.part("sign-in-again").click();
  await tab.part("closed-notice").waitFor();
  await tab.is("closed");
  await revoke("--undo");
  await until("it is let in", async () => {
    await tab.part("sign-in-again").click({ timeout: 200 }).catch(() => {}); // while it connects there is no button
    return await tab.state();
  }, (state) => state === "online");
  await tab.say("after");
  await tab.shows(["before", "after"]);
  expect(tab.complaints).toEqual([]);
}, 60_000);

test("where the server gives tokens, one that expires is replaced and nobody notices", async () => {
  const [ann, bob] = stand.pair();
  await using context = await stand.browser.newContext();
  let asked = 0;
  await context.route("**/demo/token", async (route) => {
    asked++;
    await route.fulfill({ json: { token: stand.server.token(ann, asked === 1 ? 5 : 60) } });
  });
  const tab = await stand.open(context, ann, bob);
  await tab.say("with the first");
  await until("a second token is asked for", () => asked, (count) => count === 2);
  await tab.is("online");
  await tab.say("with the second");
  await tab.shows(["with the first", "with the second"]);
  expect(tab.complaints).toEqual([]);
}, 30_000);
