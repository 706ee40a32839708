import { conversationAvatar } from "./avatar.ts";
import { composerView } from "./composer_view.ts";
import { type ConversationKey, conversationOf } from "./conversation.ts";
import { h, setAttribute, setText } from "./dom.ts";
import { icon } from "./icons.ts";
import { membersView } from "./members_view.ts";
import { messageListView } from "./message_list_view.ts";
import type { Ui, View } from "./ui.ts";

/** One conversation: who it is with, what was said, and where one writes; of a group also who is in it. */
export function threadView(ui: Ui, key: ConversationKey): View & { focus(): void } {
  const { words, session } = ui;
  const group = conversationOf(key).kind === "group";
  const messages = messageListView(ui, key);
  const composer = composerView(ui, key, () => messages.toBottom());
  const name = h("bdi", { "data-testid": "thread-name" });
  const picture = conversationAvatar(key, ui.nameOf(key), words.tag);
  const status = h("span", { class: "status", role: "status" });
  const back = h(
    "button",
    { type: "button", class: "quiet back", "data-testid": "back", "aria-label": words.back, title: words.back },
    icon("back"),
  );
  back.addEventListener("click", () => ui.select(undefined));
  const count = h("span", {});
  const members = h(
    "button",
    {
      type: "button",
      class: "members-button",
      "data-testid": "members",
      title: words.members,
      "aria-expanded": "false",
    },
    icon("people", 18),
    count,
  );
  members.addEventListener("click", () => panel ? closePanel() : openPanel());
  // Of a large group nobody is told how many are in it: one asks.
  if (group) void session.directory.refresh(false);
  const title = h("h2", { class: "who" }, name);
  const head = h(
    "header",
    { class: "thread-head" },
    back,
    picture.node,
    title,
    status,
    group ? members : undefined,
  );
  const node = h("section", { class: "thread" }, head, messages.node, composer.node);
  let panel: ReturnType<typeof membersView> | undefined;

  function openPanel(): void {
    panel = membersView(ui, key, closePanel);
    node.append(panel.node);
    setAttribute(members, "aria-expanded", "true");
    panel.update();
    panel.focus();
  }

  function closePanel(): void {
    panel?.node.remove();
    panel = undefined;
    setAttribute(members, "aria-expanded", "false");
    if (members.hidden) composer.focus();
    else members.focus();
  }

  return {
    node,
    update() {
      const called = ui.nameOf(key);
      setText(name, called);
      setAttribute(node, "aria-label", called);
      picture.rename(called);
      setText(status, words.states[session.state]);
      const facts = session.directory.group(key);
      members.hidden = !facts?.member;
      setText(count, String(facts?.memberCount ?? ""));
      setAttribute(members, "aria-label", words.memberCount(facts?.memberCount ?? 0));
      if (panel && session.directory.outOf(key)) closePanel();
      messages.update();
      composer.update();
      panel?.update();
    },
    focus: () => composer.focus(),
    close: () => messages.close?.(),
  };
}
