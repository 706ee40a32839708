import { avatar } from "./avatar.ts";
import { conversationListView } from "./conversation_list_view.ts";
import { h, setAttribute } from "./dom.ts";
import { factsView } from "./facts_view.ts";
import { icon } from "./icons.ts";
import { noticeView } from "./notice_view.ts";
import { settingsButtons } from "./settings_buttons.ts";
import { threadView } from "./thread_view.ts";
import type { Ui, View } from "./ui.ts";

/** The chat screen: conversations on the left, one of them on the right; on a phone one after the other. */
export function chatView(ui: Ui): View & { opened(focus: boolean): void } {
  const { words } = ui;
  const list = conversationListView(ui);
  const facts = factsView(ui);
  const notices = noticeView(ui);
  const pane = h("main", { class: "pane" });
  const side = h("aside", { class: "side" }, list.node, facts.node, accountBar(ui));
  const screen = h("div", { class: "screen" }, side, h("div", { class: "stage" }, notices.node, pane));
  let thread: ReturnType<typeof threadView> | undefined;

  return {
    node: screen,
    update() {
      thread?.update(); // first: what one sees there is read, and not counted in the list
      for (const view of [list, facts, notices]) view.update();
    },
    opened(focus) {
      thread?.close?.();
      thread = ui.selected === undefined ? undefined : threadView(ui, ui.selected);
      pane.replaceChildren(thread?.node ?? nothingOpen(ui));
      setAttribute(screen, "data-open", ui.selected === undefined ? "list" : "chat");
      thread?.update();
      if (focus) thread?.focus();
    },
    close() {
      notices.close?.();
      thread?.close?.();
    },
  };

  function nothingOpen({ words }: Ui): HTMLElement {
    return h("div", { class: "greeting" }, icon("bird", 56), h("p", {}, words.noConversation));
  }

  function accountBar({ session }: Ui): HTMLElement {
    const leave = h(
      "button",
      { type: "button", class: "quiet", "data-testid": "sign-out", title: words.signOut, "aria-label": words.signOut },
      icon("leave", 18),
    );
    leave.addEventListener("click", () => ui.signOut());
    const me = h(
      "span",
      { class: "me" },
      avatar(session.account, words.tag),
      h("bdi", { class: "who" }, session.account),
    );
    return h("div", { class: "account-bar" }, me, ...settingsButtons(words, ui), leave);
  }
}
