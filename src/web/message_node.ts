import { conversationOf } from "./conversation.ts";
import { h, setAttribute, setText } from "./dom.ts";
import { clientIdOf, type Entry } from "./entry.ts";
import { clockTime, fullTime, hue, isLong, pieces } from "./format.ts";
import { icon } from "./icons.ts";
import type { Row } from "./rows.ts";
import type { Ui } from "./ui.ts";
import { reasonOf, type Words } from "./words.ts";

/** One message on the screen. Its text never changes, its state does. */
export interface MessageNode {
  readonly node: HTMLElement;
  update(row: Row & { kind: "entry" }): void;
}

export function messageNode(ui: Ui, { entry }: Row & { kind: "entry" }): MessageNode {
  const { words, session } = ui;
  const time = h("time", {});
  const mark = h("span", { class: "mark" });
  const group = conversationOf(entry.conversation).kind === "group" && !entry.own;
  const sender = group
    ? h("bdi", { "data-testid": "sender-name" }, entry.sender)
    : h("span", { class: "for-readers" }, words.says(entry.own ? words.you : entry.sender));
  if (group) sender.style.setProperty("--hue", String(hue(entry.sender)));
  const bubble = h(
    "div",
    { class: "bubble" },
    sender,
    h("div", { class: "said-line" }, ...textNodes(entry.body, words), h("span", { class: "meta" }, time, mark)),
  );
  const reason = h("span", {});
  const failure = h(
    "div",
    { class: "failure", role: "status" },
    reason,
    h(
      "button",
      { type: "button", class: "link", "data-testid": "retry", onclick: () => act("sendAgain") },
      words.sendAgain,
    ),
    h("button", { type: "button", class: "link", "data-testid": "remove", onclick: () => act("remove") }, words.remove),
  );
  const node = h("li", { class: "message", "data-testid": "message", "data-own": String(entry.own) }, bubble);
  let shown = entry;

  function act(what: "sendAgain" | "remove"): void {
    session[what](shown);
  }

  let marked = "";
  let before: (Row & { kind: "entry" }) | undefined;
  return {
    node,
    update(row) {
      const { entry, first, last } = row;
      if (before && entry === before.entry && first === before.first && last === before.last) return;
      before = row;
      shown = entry;
      const { state, own, messageId, timeMs } = entry;
      setAttribute(node, "data-state", state);
      setAttribute(node, "data-client-id", clientIdOf(entry) || undefined);
      setAttribute(node, "data-id", messageId || undefined);
      setAttribute(node, "data-first", first);
      if (group) setAttribute(sender, "class", first ? "sender" : "for-readers");
      setAttribute(node, "data-last", last);
      const clock = clockTime(timeMs, words);
      setText(time, clock);
      setAttribute(time, "datetime", new Date(timeMs).toISOString());
      setAttribute(time, "title", fullTime(timeMs, words));
      const now = own ? state : "";
      if (now !== marked) {
        marked = now;
        showMark(mark, state, words);
      }
      if (state === "failed") {
        setText(reason, `${words.failed}: ${reasonOf(entry.error, words)}. `);
        if (!failure.isConnected) node.append(failure);
      } else failure.remove();
    },
  };
}

function showMark(mark: HTMLElement, state: Entry["state"], words: Words): void {
  if (state === "received" || state === "notice") return mark.replaceChildren();
  const text = { sending: words.sending, durable: words.durable, failed: words.failed }[state];
  mark.replaceChildren(
    icon(state === "durable" ? "check" : state, 14),
    h("span", { class: "for-readers" }, text),
  );
  setAttribute(mark, "title", text);
}

/** The text as text: addresses become links, a long one is folded. Its direction is its own. */
function textNodes(body: string, words: Words): HTMLElement[] {
  const parts = pieces(body).map(({ text, url }) =>
    url === undefined ? text : h("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, text)
  );
  const text = h("p", { class: "text", dir: "auto", "data-testid": "message-text" }, ...parts);
  if (!isLong(body)) return [text];
  text.classList.add("folded");
  const more = h("button", { type: "button", class: "link", "aria-expanded": "false" }, words.showAll);
  more.addEventListener("click", () => {
    const folded = text.classList.toggle("folded");
    setText(more, folded ? words.showAll : words.showLess);
    setAttribute(more, "aria-expanded", String(!folded));
  });
  return [text, more];
}
