/** Pictures of the chat page: every screen, on a phone and a desktop, light and dark, in both languages. */
import { mkdir } from "node:fs/promises";
import process from "node:process";
import { parseArgs } from "node:util";
import type { Browser, BrowserContextOptions } from "playwright-core";
import { PetrelClient } from "../../src/sdk/mod.ts";
import { ChatTab } from "./chat_tab.ts";
import { startChromium } from "./chromium.ts";
import { DevServer } from "./server.ts";

const USAGE = `Usage: screenshots.ts --screenshots <folder> [--help]
Writes <screen>-<phone|desktop>-<light|dark>-<en|zh>.png of login, chat, list, group, members, new group, leaving, offline and kicked.`;

const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } } as const;

interface Look extends BrowserContextOptions {
  readonly name: string;
}

function looks(): Look[] {
  const found: Look[] = [];
  for (const size of ["phone", "desktop"] as const) {
    for (const colorScheme of ["light", "dark"] as const) {
      for (const locale of ["en-GB", "zh-CN"]) {
        const name = `${size}-${colorScheme}-${locale.slice(0, 2)}`;
        found.push({ name, viewport: SIZES[size], colorScheme, locale, reducedMotion: "reduce" });
      }
    }
  }
  return found;
}

/** What ann and bob say: all that a bubble may have to show. */
const TALK: readonly (readonly [speaker: "ann" | "bob", text: string])[] = [
  ["bob", "Hi Ann! 🐦"],
  ["bob", "Did the cluster survive the night?"],
  ["ann", "Yes. 20 kills, nothing lost, nothing twice."],
  ["ann", "The report: https://petrel.example/report?run=20&lang=en"],
  ["bob", "很好，谢谢！今天晚上一起吃饭吗？"],
  ["bob", "مرحبا، كيف حالك؟"],
  ["ann", "A longer one, to see where lines break. ".repeat(6).trim()],
  ["bob", "w".repeat(120)],
  ["ann", "👍"],
];

async function take(browser: Browser, look: Look, folder: string): Promise<void> {
  await using server = await DevServer.start();
  await using context = await browser.newContext(look);
  const shoot = (tab: ChatTab, screen: string) =>
    tab.page.screenshot({ path: `${folder}/${screen}-${look.name}.png`, animations: "disabled" });

  const login = await ChatTab.open(context, server.http);
  await login.is("login");
  await shoot(login, "login");
  await login.page.close();

  const tab = await ChatTab.open(context, `${server.http}/?as=ann&to=bob`);
  await tab.is("online");
  await tab.part("other-side").waitFor();
  await shoot(tab, "empty");
  const token = (account: string) => () => server.token(account);
  const bob = new PetrelClient({ url: server.ws, token: token("bob") });
  const carol = new PetrelClient({ url: server.ws, token: token("carol") });
  await Promise.all([bob.login(), carol.login()]);
  const said: string[] = [];
  for (const [speaker, text] of TALK) {
    if (speaker === "ann") await tab.say(text);
    else await bob.talk("ann", text).done;
    said.push(text);
    await tab.shows(said);
  }
  await carol.talk("ann", "Are you there?").done;
  await tab.part("conversation").nth(1).waitFor({ state: "attached" });
  await shoot(tab, "chat");
  if (look.name.startsWith("phone")) {
    await tab.part("back").click();
    await shoot(tab, "list");
    await tab.part("conversation").filter({ hasText: "bob" }).click();
    await tab.shows(said);
  }

  await groups(tab, [bob, carol], (screen) => shoot(tab, screen), said);

  await server.stop();
  await tab.is("offline");
  await tab.say("Said while the server is away");
  await tab.part("conversation").filter({ hasText: "Said while" }).waitFor({ state: "attached" });
  await shoot(tab, "offline");
  await server.start();
  await tab.tryNow();
  await tab.shows([...said, "Said while the server is away"]);

  const device = await tab.part("fact-device").textContent() ?? "";
  const thief = new PetrelClient({ url: server.ws, token: token("ann"), device });
  await thief.login();
  await tab.part("kicked-notice").waitFor();
  await shoot(tab, "kicked");
  for (const client of [bob, carol, thief]) await client.close();
}

/** What is said in the group, by ann (0), bob and carol. */
const GROUP_TALK: readonly (readonly [speaker: 0 | 1 | 2, text: string])[] = [
  [1, "Who is free on Friday?"],
  [2, "Me! 🙋"],
  [2, "But not before noon, the deploy is at eleven and I would like to be there when it goes wrong."],
  [0, "Then half past twelve, the usual place."],
  [1, "好的，我来订位子"],
];

/** A group of three is made, they talk, somebody comes and somebody goes. */
async function groups(
  tab: ChatTab,
  [bob, carol]: readonly [PetrelClient, PetrelClient],
  shoot: (screen: string) => Promise<unknown>,
  before: readonly string[],
): Promise<void> {
  const toList = async () => {
    if (await tab.part("back").isVisible()) await tab.part("back").click();
  };
  await toList();
  await tab.part("new-group").click();
  await tab.part("group-name").fill("Friday lunch 🍜");
  await tab.part("group-members").fill("carol, ");
  await shoot("new-group");
  await tab.part("group-members").fill("bob");
  await tab.part("group-create").click();
  await tab.page.waitForURL(/group=/);
  await tab.part("other-side").nth(1).waitFor();
  await shoot("group-empty");
  const id = new URL(tab.page.url()).searchParams.get("group") ?? "";
  const said: string[] = [];
  for (const [speaker, text] of GROUP_TALK) {
    if (speaker === 0) await tab.say(text);
    else await (speaker === 1 ? bob : carol).talk(id, text, { group: true }).done;
    said.push(text);
    await tab.shows(said);
  }
  await bob.groups.join(id, "dave");
  await bob.groups.join(id, "王小明");
  await tab.part("notice").nth(1).waitFor();
  await carol.talk(id, "Welcome!", { group: true }).done;
  await carol.groups.leave(id);
  await tab.part("notice").nth(2).waitFor();
  await shoot("group");
  await tab.part("members").click();
  await tab.part("member").nth(3).waitFor();
  await shoot("members");
  await tab.part("leave-group").click();
  await shoot("leave");
  await tab.part("confirm-yes").click();
  await tab.part("composer-shut").waitFor();
  await shoot("group-left");
  await toList();
  await tab.part("conversation").filter({ hasText: "bob" }).click();
  await tab.shows(before);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { screenshots: { type: "string" }, only: { type: "string" }, help: { type: "boolean" } },
  });
  const folder = values.screenshots;
  if (values.help || folder === undefined) return console.log(USAGE);
  await mkdir(folder, { recursive: true });
  await using browser = await startChromium();
  for (const look of looks()) {
    if (values.only !== undefined && !look.name.includes(values.only)) continue;
    await take(browser, look, folder);
    console.log(look.name);
  }
}

await main();
process.exit(0);
