import type { ConversationKey } from "./conversation.ts";
import { h, setAttribute, setChildren, setText } from "./dom.ts";
import { dayName, dayOf } from "./format.ts";
import { greetingView } from "./greeting_view.ts";
import { icon } from "./icons.ts";
import { beginningNode, gapNode, noticeNode } from "./line_node.ts";
import { messageNode } from "./message_node.ts";
import { type Row, rowsOf } from "./rows.ts";
import type { Ui, View } from "./ui.ts";

/** So many messages are in the document at first, and so many more are added when one scrolls near an end. */
const PAGE = 120;
/** More than these are let go again: at the bottom; and elsewhere, at the end one is not looking at. */
const MOST_AT_BOTTOM = 2 * PAGE;
const MOST = 3 * PAGE;
const NEAR_PX = 48;
const NEARBY_PX = 600;

interface RowNode {
  readonly node: HTMLElement;
  update(row: Row): void;
}

/**
 * The messages of one conversation. It stays at the newest as long as one is there; otherwise it does not move, and a
 * button tells how many have come. Only what is near is in the document, other messages as one scrolls to them; what this
 * browser does not have is fetched then.
 */
export function messageListView(ui: Ui, key: ConversationKey): View & { toBottom(): void } {
  const { words, session } = ui;
  const { book, history } = session;
  const nodes = new Map<string, RowNode>();
  const list = h("ol", { class: "messages" });
  const greeting = greetingView(ui, key);
  const log = { role: "log", "aria-label": words.messagesWith(ui.nameOf(key)), tabindex: 0 };
  const scroller = h("div", { class: "scroller", "data-testid": "message-list", ...log }, greeting.node, list);
  const pillText = h("span", {});
  const pill = h(
    "button",
    { type: "button", class: "pill", "data-testid": "new-messages", hidden: true },
    icon("down", 16),
    pillText,
  );
  const node = h("div", { class: "message-area" }, scroller, pill);
  /** Keys of the first and the last message in the document; "": as many as a page has, and the newest. */
  let from = "";
  let to = "";
  let gaps: readonly (Row & { kind: "gap" })[] = [];
  let atBottom = true;
  let filled = false;

  const bottom = (): void => {
    scroller.scrollTop = scroller.scrollHeight;
  };
  const toBottom = (): void => {
    atBottom = true;
    from = to = "";
    update();
    bottom();
  };
  pill.addEventListener("click", toBottom);
  scroller.addEventListener("scroll", () => {
    const { scrollTop, scrollHeight, clientHeight } = scroller;
    const was = atBottom;
    const below = scrollHeight - scrollTop - clientHeight;
    atBottom = to === "" && below < NEAR_PX;
    if (!atBottom && scrollTop < NEARBY_PX && shown().first > 0) earlier();
    else if (to !== "" && below < NEARBY_PX) later();
    else if (was !== atBottom) update();
    else fetchNear();
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

  /** Which messages are in the document: from one index up to, not including, the other. */
  function shown(): { readonly first: number; readonly end: number } {
    const entries = book.entries(key);
    const last = to === "" ? -1 : entries.findLastIndex((one) => one.key === to);
    const end = last < 0 ? entries.length : last + 1;
    const at = from === "" ? -1 : entries.findIndex((one) => one.key === from);
    const first = at < 0 || at >= end ? Math.max(0, end - PAGE) : at;
    return { first: atBottom && end - first > MOST_AT_BOTTOM ? end - PAGE : first, end };
  }

  function showFrom(first: number, end: number): void {
    const entries = book.entries(key);
    from = entries[first]?.key ?? "";
    to = end >= entries.length ? "" : entries[end - 1]?.key ?? "";
    update();
  }

  function earlier(): void {
    const { first, end } = shown();
    const next = Math.max(0, first - PAGE);
    showFrom(next, Math.min(end, next + MOST));
  }

  function later(): void {
    const { first, end } = shown();
    const next = Math.min(book.entries(key).length, end + PAGE);
    showFrom(Math.max(first, next - MOST), next);
  }

  function update(): void {
    const entries = book.entries(key);
    const { first, end } = shown();
    from = first === 0 && end < PAGE ? "" : entries[first]?.key ?? "";
    const after = entries.slice(0, first).findLast(({ seq }) => seq > 0)?.seq ?? 0;
    const lacks = (low: number, high: number) => !session.directory.outOf(key) && book.lacks(key, low, high);
    const head = to === "" ? book.head(key) : 0;
    const rows = rowsOf(entries.slice(first, end), { dayOf, lacks, after, head });
    const hadGaps = gaps.length > 0;
    gaps = rows.filter((row) => row.kind === "gap");
    // Readers hear what is new, not what was fetched.
    setAttribute(scroller, "aria-live", atBottom && !hadGaps && gaps.length === 0 ? "polite" : "off");
    const anchor = atBottom ? undefined : firstVisible();
    setChildren(list, rows.map(nodeOf));
    const present = new Set(rows.map((row) => row.key));
    for (const old of nodes.keys()) if (!present.has(old)) nodes.delete(old);
    greeting.show(rows.length === 0 && session.ready && session.directory.listed);
    list.hidden = rows.length === 0;
    if (atBottom) bottom();
    else if (anchor?.node.isConnected) scroller.scrollTop += anchor.node.getBoundingClientRect().top - anchor.top;
    const unread = book.unread(key);
    pill.hidden = atBottom;
    setText(pillText, words.newMessages(unread));
    pill.classList.toggle("news", unread > 0);
    filled = true;
    if (!atBottom && first > 0 && scroller.scrollTop < NEARBY_PX) return earlier();
    fetchNear();
    seen();
  }

  /** What one looks at: it stays where it is, whatever is added above it. */
  function firstVisible(): { readonly node: Element; readonly top: number } | undefined {
    const edge = scroller.getBoundingClientRect().top;
    for (const node of list.querySelectorAll(".message")) {
      const { top, bottom } = node.getBoundingClientRect();
      if (bottom > edge) return { node, top };
    }
    return undefined;
  }

  /** Fetches the messages of the gaps that are on the screen, or soon will be. */
  function fetchNear(): void {
    if (gaps.length === 0 || session.state !== "online" || !session.directory.listed || history.failed(key)) return;
    const { top, bottom } = scroller.getBoundingClientRect();
    const near = gaps.findLast((gap) => {
      const place = nodes.get(gap.key)?.node.getBoundingClientRect();
      return place && place.bottom > top - NEARBY_PX && place.top < bottom + NEARBY_PX;
    });
    if (near && bottom > top) void history.load(key, near.before);
  }

  function nodeOf(row: Row): HTMLElement {
    let there = nodes.get(row.key);
    if (!there) nodes.set(row.key, there = makeNode(row));
    there.update(row);
    return there.node;
  }

  function makeNode(row: Row): RowNode {
    if (row.kind === "gap") return gapNode(ui, key, () => void history.load(key, row.before));
    if (row.kind === "day") {
      return fixed(h("li", { class: "day" }, h("span", {}, dayName(row.dayMs, Date.now(), words))));
    }
    if (row.kind === "beginning") return fixed(beginningNode(ui));
    if (row.kind === "notice") return fixed(noticeNode(ui, row.entry));
    const made = messageNode(ui, row);
    if (filled && Date.now() - row.entry.timeMs < 60_000) made.node.classList.add("arrives");
    return { node: made.node, update: (now) => now.kind === "entry" ? made.update(now) : undefined };
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

function fixed(node: HTMLElement): RowNode {
  return { node, update() {} };
}
