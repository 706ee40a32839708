import type { ConversationKey } from "./conversation.ts";
import { h, setAttribute, setText } from "./dom.ts";
import type { Entry } from "./entry.ts";
import { fullTime } from "./format.ts";
import type { Ui } from "./ui.ts";

/** A thin line between messages. */
export interface LineNode {
  readonly node: HTMLElement;
  update(): void;
}

/** Messages lack here; they are being fetched, or cannot be. */
export function gapNode({ words, session }: Ui, key: ConversationKey, fetch: () => void): LineNode {
  const text = h("span", {});
  const again = h("button", { type: "button", class: "link", onclick: () => fetch() }, words.tryAgain);
  const node = h("li", { class: "line-between gap", "data-testid": "history-more" }, text, again);
  return {
    node,
    update() {
      const state = session.state !== "online" ? "offline" : session.history.failed(key) ? "failed" : "loading";
      setAttribute(node, "data-state", state);
      setText(text, { offline: words.olderLater, failed: words.olderFailed, loading: words.olderLoading }[state]);
      again.hidden = state !== "failed";
    },
  };
}

export function beginningNode({ words }: Ui): HTMLElement {
  return h("li", { class: "line-between", "data-testid": "beginning" }, words.beginning);
}

/** Somebody came or went. */
export function noticeNode({ words, session }: Ui, { sender, body, timeMs }: Entry): HTMLElement {
  const joined = body === "joined";
  const node = h("li", { class: "line-between", "data-testid": "notice", title: fullTime(timeMs, words) });
  if (sender === session.account) node.append(joined ? words.youJoined : words.youWentOut);
  else {
    // The name stands by itself, so that its direction is its own.
    const [before = "", after = ""] = (joined ? words.joined : words.wentOut)("|").split("|");
    node.append(before, h("bdi", {}, sender), after);
  }
  return node;
}
