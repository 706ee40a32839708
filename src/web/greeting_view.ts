import { type ConversationKey, conversationOf } from "./conversation.ts";
import { h } from "./dom.ts";
import { icon } from "./icons.ts";
import type { Ui } from "./ui.ts";

/** So many members of a group are offered as somebody to be. */
const OFFERED = 3;

/** Nothing said yet. Who tries it out alone is one click away from the other side. */
export function greetingView(ui: Ui, key: ConversationKey): { readonly node: HTMLElement; show(is: boolean): void } {
  const { words, session, demo } = ui;
  const { kind, id } = conversationOf(key);
  const group = kind === "group";
  const others = h("div", { class: "other-sides" });
  const node = h(
    "div",
    { class: "greeting", hidden: true },
    icon("bird", 44),
    h("p", {}, group ? words.noMessagesIn(ui.nameOf(key)) : words.noMessages(id)),
    h("p", { class: "hint" }, group ? words.noMessagesInMore : words.noMessagesMore),
    others,
  );
  let offered = !demo;

  async function offer(): Promise<void> {
    if (!group) return others.append(link(id, { to: session.account }));
    const { members } = await session.directory.members(key);
    for await (const { account } of members) {
      if (others.childElementCount === OFFERED) return;
      if (account !== session.account) others.append(link(account, { group: id }));
    }
  }

  function link(as: string, there: Readonly<Record<string, string>>): HTMLElement {
    const href = `/?${new URLSearchParams({ as, ...there })}`;
    return h("a", { href, target: "_blank", rel: "noopener", "data-testid": "other-side" }, words.otherSide(as));
  }

  return {
    node,
    show(is) {
      node.hidden = !is;
      if (!is || offered) return;
      offered = true;
      void offer().catch(() => {}); // it is only a comfort
    },
  };
}
