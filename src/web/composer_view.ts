import { TEXT } from "../protocol/limits.ts";
import { codePoints } from "../protocol/names.ts";
import type { ConversationKey } from "./conversation.ts";
import { h, setAttribute, setText } from "./dom.ts";
import { icon } from "./icons.ts";
import type { Ui, View } from "./ui.ts";
import { failureOf } from "./words.ts";

/** From so many characters on the composer says how many are left. */
const TELL_FROM = TEXT.body - 500;

/** Where one writes. What is not sent yet is kept per conversation. */
export function composerView(ui: Ui, key: ConversationKey, sent: () => void): View & { focus(): void } {
  const { words, session, drafts } = ui;
  const input = h("textarea", {
    rows: 1,
    dir: "auto",
    "data-testid": "composer",
    title: words.composerHint,
    enterkeyhint: "send",
  });
  input.value = drafts.get(key) ?? "";
  const counter = h("span", { class: "counter", role: "status" });
  const button = h(
    "button",
    { type: "submit", class: "send", "data-testid": "send", "aria-label": words.send, title: words.send },
    icon("send", 20),
  );
  const form = h("form", { class: "composer" }, h("div", { class: "paper" }, input, counter), button);
  const shut = closedGroup(ui, key);

  const sendable = (): boolean => {
    const text = input.value;
    return text.trim() !== "" && codePoints(text, TEXT.body) <= TEXT.body && session.state !== "closed";
  };
  const show = (): void => {
    const out = session.directory.outOf(key);
    form.hidden = out;
    shut.hidden = !out;
    const label = words.composer(ui.nameOf(key));
    setAttribute(input, "aria-label", label);
    setAttribute(input, "placeholder", label);
    const count = codePoints(input.value);
    const left = TEXT.body - count;
    setText(counter, count < TELL_FROM ? "" : left >= 0 ? words.left(left) : words.over(-left));
    counter.classList.toggle("over", left < 0);
    setAttribute(input, "aria-invalid", left < 0 ? "true" : undefined);
    // Not `disabled`: that would take the focus away.
    setAttribute(button, "aria-disabled", sendable() ? undefined : "true");
  };
  const grow = (): void => {
    input.style.height = "auto";
    input.style.height = `${input.scrollHeight}px`;
  };
  const changed = (): void => {
    if (input.value === "") drafts.delete(key);
    else drafts.set(key, input.value);
    grow();
    show();
  };
  input.addEventListener("input", changed);
  input.addEventListener("keydown", (event) => {
    // While an input method composes, Enter chooses a word; Safari says so by 229 only.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!sendable()) return;
    const body = input.value;
    input.value = "";
    changed();
    session.send(key, body);
    sent();
    input.focus();
  });
  queueMicrotask(grow);
  return {
    node: h("div", { class: "composer-place" }, form, shut),
    update: show,
    focus: () => focusUnlessTouch(input),
  };
}

/** Instead of the composer, where the account is not in the group. */
function closedGroup({ words, session }: Ui, key: ConversationKey): HTMLElement {
  const text = h("p", { role: "status" }, words.outOfGroup);
  const join = h("button", { type: "button", class: "secondary", "data-testid": "join-group" }, words.joinGroup);
  join.addEventListener("click", () => {
    session.directory.add(key, session.account).catch((thrown: unknown) => setText(text, failureOf(thrown, words)));
  });
  return h("div", { class: "composer-shut", "data-testid": "composer-shut", hidden: true }, text, join);
}

/** On a touch screen the focus brings the keyboard, which covers half of what one came to read. */
function focusUnlessTouch(input: HTMLElement): void {
  if (!matchMedia("(pointer: coarse)").matches) input.focus();
}
