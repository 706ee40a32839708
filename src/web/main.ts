import { isName } from "../protocol/names.ts";
import { chatView } from "./chat_view.ts";
import { type ConversationKey, conversationOf, keyOf } from "./conversation.ts";
import { IndexedDbArchive } from "./indexeddb_archive.ts";
import { type Language, languageOf, WORDS } from "./language.ts";
import { type Login, loginView } from "./login_view.ts";
import { claimPlace } from "./place.ts";
import { preference, remember } from "./preferences.ts";
import { Session } from "./session.ts";
import { chooseTheme, startTheme, theme } from "./theme.ts";
import { demoToken, keepToken, keptToken } from "./token.ts";
import type { Ui, View } from "./ui.ts";

/** The page: a login screen, then a chat. Everything that changes the address, the title or the screen is here. */

/** Does the server give tokens to everybody? */
const DEMO = document.body.dataset["demo"] === "on";
/** Does the address of the page tell how its server does? */
const HEALTH = document.body.dataset["health"] === "on";
/** The screen changes at once, and then not again for so long: of a thousand messages not each is drawn by itself. */
const REST_MS = 60;

type Screen = { readonly at: "login"; readonly view: View } | {
  readonly at: "chat";
  readonly view: ReturnType<typeof chatView>;
};

let language: Language = preference("language") === "zh" || preference("language") === "en"
  ? languageOf([preference("language")])
  : languageOf(navigator.languages);
let session: Session | undefined;
let selected: ConversationKey | undefined;
let screen: Screen | undefined;
let waiting: ReturnType<typeof setTimeout> | undefined;
let shownMs = 0;
const drafts = new Map<ConversationKey, string>();

function show(next: Screen): void {
  screen?.view.close?.();
  screen = next;
  document.body.replaceChildren(next.view.node);
  document.documentElement.lang = WORDS[language].tag;
  update();
}

function showLogin(preset: Login, problem?: string): void {
  const words = WORDS[language];
  show({
    at: "login",
    view: loginView({ words, demo: DEMO, preset, problem, login: signIn, changeLanguage, changeTheme }),
  });
}

function showChat(session: Session, focus: boolean): void {
  const ui: Ui = {
    words: WORDS[language],
    session,
    get selected() {
      return selected;
    },
    demo: DEMO,
    health: HEALTH,
    drafts,
    nameOf: (key) => session.directory.nameOf(key) || WORDS[language].aGroup,
    select,
    signOut,
    signInAgain,
    changeLanguage,
    changeTheme,
  };
  const view = chatView(ui);
  show({ at: "chat", view });
  view.opened(focus);
  update();
}

/** Shows what is, soon. */
function changed(): void {
  waiting ??= setTimeout(update, Math.max(0, shownMs + REST_MS - performance.now()));
}

function update(): void {
  clearTimeout(waiting);
  waiting = undefined;
  shownMs = performance.now();
  screen?.view.update();
  document.body.dataset["state"] = session?.state ?? "login";
  const unread = session?.book.summaries().reduce((sum, one) => sum + one.unread, 0) ?? 0;
  document.title = (unread > 0 ? `(${unread}) ` : "") +
    (session ? `${session.account} · Petrel` : WORDS[language].title);
}

async function signIn({ account, peer, token }: Login, group = ""): Promise<void> {
  if (!session && document.body.dataset["state"] === "connecting") return; // asked twice
  document.body.dataset["state"] = "connecting";
  remember("account", account);
  if (!DEMO) keepToken(token);
  const place = await claimPlace(account);
  const url = location.origin.replace(/^http/, "ws");
  const started = session = new Session({
    account,
    url,
    place,
    archive: new IndexedDbArchive(account),
    token: DEMO ? () => demoToken(account) : token,
    changed,
  });
  if (peer !== "") open(keyOf({ kind: "user", id: peer }));
  else if (group) open(keyOf({ kind: "group", id: group }));
  writeAddress();
  showChat(started, true);
  await started.start();
}

async function signOut(): Promise<void> {
  const leaving = session;
  session = selected = undefined;
  drafts.clear();
  keepToken("");
  history.replaceState(null, "", "/");
  showLogin({ account: leaving?.account ?? "", peer: "", token: "" });
  await leaving?.close();
}

function signInAgain(): void {
  if (!session) return;
  if (DEMO) return session.connect();
  const { account } = session;
  const { kind, id } = selected === undefined ? { kind: "user", id: "" } : conversationOf(selected);
  void session.close();
  session = undefined;
  keepToken("");
  showLogin({ account, peer: kind === "user" ? id : "", token: "" });
}

function open(key: ConversationKey): void {
  selected = key;
  session?.book.open(key, Date.now());
}

function select(key: ConversationKey | undefined): void {
  if (key !== undefined && key === selected && screen?.at === "chat") return screen.view.opened(true);
  if (key === undefined) selected = undefined;
  else open(key);
  writeAddress(key !== undefined);
  if (screen?.at !== "chat") return;
  screen.view.opened(key !== undefined);
  update();
}

/** A reload, or a copy of the address, opens the same chat; the browser's "back" the one before. */
function writeAddress(isNew = false): void {
  if (!session) return;
  const words = new URLSearchParams({ as: session.account });
  const { kind, id } = selected === undefined ? { kind: "user", id: "" } : conversationOf(selected);
  if (id !== "") words.set(kind === "group" ? "group" : "to", id);
  if (isNew) history.pushState(null, "", `/?${words}`);
  else history.replaceState(null, "", `/?${words}`);
}

/** The reader went back or forward: to another conversation, or to another account's page. */
function followAddress(): void {
  const { account, peer, group } = askedFor();
  if (!session || account !== session.account) return location.reload();
  if (peer !== "") open(keyOf({ kind: "user", id: peer }));
  else if (group !== "") open(keyOf({ kind: "group", id: group }));
  else selected = undefined;
  if (screen?.at === "chat") screen.view.opened(false);
  update();
}

/** What the address asks for; "" for what is no legal name. */
function askedFor(): { readonly account: string; readonly peer: string; readonly group: string } {
  const asked = new URLSearchParams(location.search);
  const [account, peer] = [asked.get("as") ?? "", asked.get("to") ?? ""];
  const group = asked.get("group") ?? "";
  return {
    account: isName(account) ? account : "",
    peer: isName(peer) && peer !== account ? peer : "",
    group: isName(group) ? group : "",
  };
}

function changeLanguage(): void {
  language = language === "en" ? "zh" : "en";
  remember("language", language);
  showAnew();
}

/** The same screen in other words or colours; the focus stays where it was. */
function showAnew(): void {
  const focused = document.activeElement?.getAttribute("data-testid");
  if (session) showChat(session, false);
  else if (screen) showLogin({ account: valueOf("account"), peer: valueOf("peer"), token: valueOf("token") });
  // After the login screen, which puts the focus into its first field.
  if (focused) queueMicrotask(() => document.querySelector<HTMLElement>(`[data-testid="${focused}"]`)?.focus());
}

function changeTheme(): void {
  chooseTheme(theme() === "dark" ? "light" : "dark");
}

function valueOf(id: string): string {
  const input = document.getElementById(id);
  return input instanceof HTMLInputElement || input instanceof HTMLTextAreaElement ? input.value : "";
}

startTheme(showAnew);
addEventListener("popstate", followAddress);
const { account, peer, group } = askedFor();
const token = DEMO ? "" : keptToken();
if (account !== "" && (DEMO || token !== "")) void signIn({ account, peer, token }, group);
else showLogin({ account: account || preference("account"), peer, token });
