import { isName } from "../protocol/names.ts";
import { conversationAvatar } from "./avatar.ts";
import type { Summary } from "./book.ts";
import { type ConversationKey, conversationOf, keyOf } from "./conversation.ts";
import { h, setAttribute, setChildren, setText } from "./dom.ts";
import { preview, shortTime } from "./format.ts";
import { icon } from "./icons.ts";
import { newGroup } from "./new_group_view.ts";
import type { Ui, View } from "./ui.ts";

/** Everybody one has talked to, the newest first, and a way to start with somebody new. */
export function conversationListView(ui: Ui): View {
  const { words, session } = ui;
  const items = new Map<ConversationKey, Item>();
  const list = h("ul", { class: "conversations" });
  const empty = h("p", { class: "empty" }, words.noConversations);
  const form = newChatForm(ui);
  const add = h(
    "button",
    { type: "button", class: "quiet", "data-testid": "new-chat", title: words.newChat, "aria-label": words.newChat },
    icon("plus"),
  );
  add.addEventListener("click", () => form.toggle());
  const addGroup = h(
    "button",
    { type: "button", class: "quiet", "data-testid": "new-group", title: words.newGroup, "aria-label": words.newGroup },
    icon("people"),
  );
  addGroup.addEventListener("click", () => newGroup(ui));
  const node = h(
    "nav",
    { class: "conversation-list", "aria-label": words.conversations },
    h(
      "div",
      { class: "list-head" },
      h("div", { class: "brand" }, icon("bird", 26), h("span", {}, "Petrel")),
      h("div", { class: "list-buttons" }, addGroup, add),
    ),
    form.node,
    list,
    empty,
  );
  return {
    node,
    update() {
      const summaries = session.book.summaries();
      for (const { key } of summaries) if (!items.has(key)) items.set(key, makeItem(ui, key));
      for (const summary of summaries) items.get(summary.key)!.update(summary, summary.key === ui.selected);
      setChildren(list, summaries.map(({ key }) => items.get(key)!.node));
      empty.hidden = summaries.length > 0;
    },
  };
}

interface Item {
  readonly node: HTMLElement;
  update(summary: Summary, selected: boolean): void;
}

function makeItem(ui: Ui, key: ConversationKey): Item {
  const { words } = ui;
  const { id, kind } = conversationOf(key);
  const picture = conversationAvatar(key, ui.nameOf(key), words.tag);
  const name = h("bdi", { class: "who" });
  const time = h("time", { class: "when" });
  const said = h("bdi", { class: "said" });
  const badge = h("span", { class: "badge" });
  const button = h(
    "button",
    { type: "button", class: "conversation", "data-testid": "conversation", "data-peer": id, "data-kind": kind },
    picture.node,
    h("span", { class: "line" }, name, time),
    h("span", { class: "line" }, said, badge),
  );
  button.addEventListener("click", () => ui.select(key));
  return {
    node: h("li", {}, button),
    update({ last, unread }, selected) {
      setText(time, last ? shortTime(last.timeMs, Date.now(), words) : "");
      setText(name, ui.nameOf(key));
      picture.rename(ui.nameOf(key));
      const speaker = last?.own ? words.you : kind === "group" ? last?.sender : undefined;
      setText(said, last ? (speaker === undefined ? "" : words.says(speaker)) + preview(last.body) : "");
      setText(badge, unread === 0 ? "" : unread > 99 ? "99+" : String(unread));
      badge.hidden = unread === 0;
      setAttribute(badge, "aria-label", words.unread(unread));
      setAttribute(button, "data-unread", unread);
      setAttribute(button, "aria-current", selected ? "true" : undefined);
      setAttribute(button, "data-failed", last?.state === "failed");
    },
  };
}

function newChatForm(ui: Ui): { readonly node: HTMLElement; toggle(): void } {
  const { words } = ui;
  const input = h("input", {
    "data-testid": "new-chat-peer",
    "aria-label": words.newChatWith,
    placeholder: words.newChatWith,
    dir: "auto",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    maxlength: 200,
  });
  const problem = h("p", { class: "problem", role: "alert" });
  const form = h(
    "form",
    { class: "new-chat", hidden: true, novalidate: true },
    h("div", { class: "row" }, input, h("button", { type: "submit", class: "primary small" }, words.open)),
    problem,
  );
  const toggle = (): void => {
    form.hidden = !form.hidden;
    input.value = "";
    setText(problem, "");
    if (!form.hidden) input.focus();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const id = input.value.trim();
    const wrong = !isName(id) ? words.nameRule : id === ui.session.account ? words.sameName : "";
    setText(problem, wrong);
    if (wrong !== "") return input.focus();
    toggle();
    ui.select(keyOf({ kind: "user", id }));
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") toggle();
  });
  return { node: form, toggle };
}
