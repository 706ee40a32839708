import { isName } from "../protocol/names.ts";
import { h, setAttribute, setText } from "./dom.ts";
import { icon } from "./icons.ts";
import { settingsButtons } from "./settings_buttons.ts";
import { accountOfToken } from "./token.ts";
import type { View } from "./ui.ts";
import type { Words } from "./words.ts";

export interface Login {
  readonly account: string;
  readonly peer: string;
  /** "" where the server makes one. */
  readonly token: string;
}

export interface LoginOptions {
  readonly words: Words;
  readonly demo: boolean;
  readonly preset: Login;
  /** Why one is here again. */
  readonly problem: string | undefined;
  login(login: Login): void;
  changeLanguage(): void;
  changeTheme(): void;
}

/** Who are you, and whom do you talk to? */
export function loginView(options: LoginOptions): View {
  const { words, demo, preset } = options;
  const account = field("account", words.yourName, words.yourNameHint, preset.account);
  const peer = field("peer", words.peerName, words.peerNameHint, preset.peer);
  const token = h("textarea", { id: "token", name: "token", rows: 3, spellcheck: "false", autocomplete: "off" });
  setAttribute(token, "data-testid", "token");
  token.value = preset.token;
  const command = h("code", {});
  const showCommand = () => setText(command, `petrel token --account ${account.input.value.trim() || "ann"}`);
  account.input.addEventListener("input", showCommand);
  showCommand();
  const problem = h("p", { class: "problem", role: "alert" }, options.problem ?? "");
  setAttribute(problem, "data-testid", "login-problem");

  const form = h(
    "form",
    { class: "login-form", "data-testid": "login-form", novalidate: true, onsubmit: submit },
    account.node,
    peer.node,
    demo ? undefined : h(
      "div",
      { class: "field" },
      h("label", { for: "token" }, words.token),
      token,
      h("p", { class: "hint" }, words.tokenHint, h("br"), command),
    ),
    problem,
    h("button", { type: "submit", class: "primary", "data-testid": "login-submit" }, words.startChat),
  );
  const node = h(
    "main",
    { class: "login" },
    h(
      "div",
      { class: "login-card" },
      h("div", { class: "brand brand-large" }, icon("bird", 44), h("h1", {}, "Petrel")),
      h("p", { class: "promise" }, words.promise),
      form,
      demo ? h("p", { class: "hint login-foot" }, words.twoWindows) : undefined,
    ),
    h("div", { class: "login-settings" }, ...settingsButtons(words, options)),
  );

  function submit(event: SubmitEvent): void {
    event.preventDefault();
    const login = { account: account.input.value.trim(), peer: peer.input.value.trim(), token: token.value.trim() };
    const wrong = isName(login.account) ? isName(login.peer) || login.peer === "" ? undefined : peer : account;
    setAttribute(account.input, "aria-invalid", wrong === account);
    setAttribute(peer.input, "aria-invalid", wrong === peer || login.peer === login.account);
    if (wrong) return refuse(wrong.input, words.nameRule);
    if (login.peer === login.account) return refuse(peer.input, words.sameName);
    if (!demo && login.token === "") return refuse(token, words.tokenMissing);
    const whose = demo ? undefined : accountOfToken(login.token);
    if (whose !== undefined && whose !== login.account) return refuse(account.input, words.tokenAccount(whose));
    options.login(login);
  }

  function refuse(input: HTMLElement, text: string): void {
    setText(problem, text);
    input.focus();
  }

  queueMicrotask(() => (preset.account === "" ? account.input : peer.input).focus());
  return { node, update() {} };
}

function field(id: string, label: string, placeholder: string, value: string) {
  const input = h("input", {
    id,
    name: id,
    placeholder,
    "data-testid": id,
    dir: "auto",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    maxlength: 200,
  });
  input.value = value;
  return { input, node: h("div", { class: "field" }, h("label", { for: id }, label), input) };
}
