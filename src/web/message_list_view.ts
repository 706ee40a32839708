import { type ConversationKey, conversationOf } from "./conversation.ts";
import { h, setChildren, setText } from "./dom.ts";
import { dayName, dayOf } from "./format.ts";
import { icon } from "./icons.ts";
import { type MessageNode, messageNode } from "./message_node.ts";
import { type Row, rowsOf } from "./rows.ts";
import type { Ui, View } from "./ui.ts";

/** So many messages are on the screen's page at first, and so many more are added when one scrolls up to the first. */
const PAGE = 120;
/** Back at the bottom, more than these are let go again. */
const MOST_AT_BOTTOM = 2 * PAGE;
const NEAR_PX = 48;
const EARLIER_PX = 600;

/**
 * The messages of one conversation. It stays at the newest as long as one is there; otherwise it does not move, and a
 * button tells how many have come. Only the newest are in the document, more as one scrolls up.
 */
export function messageListView(ui: Ui, key: ConversationKey): View & { toBottom(): void } {
  const { words, session } = ui;
  const peer = conversationOf(key).id;
  const nodes = new Map<string, MessageNode | { readonly node: HTMLElement }>();
  const list = h("ol", { class: "messages" });
  const greeting = emptyNode(ui, peer);
  const log = { role: "log", "aria-live": "polite", "aria-label": words.messagesWith(peer), tabindex: 0 };
  const scroller = h("div", { class: "scroller", "data-testid": "message-list", ...log }, greeting, list);
  const pillText = h("span", {});
  const pill = h(
    "button",
    { type: "button", class: "pill", "data-testid": "new-messages", hidden: true },
    icon("down", 16),
    pillText,
  );
  const node = h("div", { class: "message-area" }, scroller, pill);
  /** Index of the first message that is in the document. */
  let from = Math.max(0, session.book.entries(key).length - PAGE);
  let atBottom = true;
  let filled = false;

  const bottom = (): void => {
    scroller.scrollTop = scroller.scrollHeight;
  };
  const toBottom = (): void => {
    atBottom = true;
    update();
    bottom();
  };
  pill.addEventListener("click", toBottom);
  scroller.addEventListener("scroll", () => {
    const { scrollTop, scrollHeight, clientHeight } = scroller;
    const was = atBottom;
    atBottom = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    if (!atBottom && scrollTop < EARLIER_PX && from > 0) earlier();
    else if (was !== atBottom) update();
  }, { passive: true });

  // The keyboard of a phone, a growing composer, a picture of another size: what was at the bottom stays there.
  const observer = new ResizeObserver(() => {
    if (atBottom) bottom();
  });
  observer.observe(scroller);
  observer.observe(list);
  const seen = (): void => {
    if (atBottom && document.visibilityState === "visible" && scroller.clientHeight > 0) session.read(key);
  };
  document.addEventListener("visibilitychange", seen);

  function earlier(): void {
    const before = scroller.scrollHeight;
    from = Math.max(0, from - PAGE);
    update();
    scroller.scrollTop += scroller.scrollHeight - before;
  }

  function update(): void {
    const entries = session.book.entries(key);
    if (atBottom && entries.length - from > MOST_AT_BOTTOM) from = entries.length - PAGE;
    const rows = rowsOf(entries.slice(from), dayOf);
    setChildren(list, rows.map(show));
    const present = new Set(rows.map((row) => row.key));
    for (const old of nodes.keys()) if (!present.has(old)) nodes.delete(old);
    greeting.hidden = entries.length > 0 || !session.ready;
    list.hidden = entries.length === 0;
    if (atBottom) bottom();
    const unread = session.book.unread(key);
    pill.hidden = atBottom;
    setText(pillText, words.newMessages(unread));
    pill.classList.toggle("news", unread > 0);
    filled = true;
    seen();
  }

  function show(row: Row): HTMLElement {
    let there = nodes.get(row.key);
    if (!there) {
      there = row.kind === "entry" ? messageNode(ui, row) : dayNode(row.dayMs);
      if (filled && row.kind === "entry" && Date.now() - row.entry.timeMs < 60_000) there.node.classList.add("arrives");
      nodes.set(row.key, there);
    }
    if (row.kind === "entry" && "update" in there) there.update(row);
    return there.node;
  }

  function dayNode(dayMs: number): { readonly node: HTMLElement } {
    return { node: h("li", { class: "day" }, h("span", {}, dayName(dayMs, Date.now(), words))) };
  }

  return {
    node,
    update,
    toBottom,
    close() {
      observer.disconnect();
      document.removeEventListener("visibilitychange", seen);
    },
  };
}

/** Nothing said yet. Who tries it out alone is one click away from the other side. */
function emptyNode({ words, session, demo }: Ui, peer: string): HTMLElement {
  const otherSide = new URLSearchParams({ as: peer, to: session.account });
  return h(
    "div",
    { class: "greeting" },
    icon("bird", 44),
    h("p", {}, words.noMessages(peer)),
    h("p", { class: "hint" }, words.noMessagesMore),
    demo
      ? h(
        "a",
        { href: `/?${otherSide}`, target: "_blank", rel: "noopener", "data-testid": "other-side" },
        words.otherSide(peer),
      )
      : undefined,
  );
}
