import { type ConversationKey, conversationOf } from "./conversation.ts";
import { h, setText } from "./dom.ts";
import { hue, initial } from "./format.ts";

/** A coloured disc with the first letter of a name. */
export function avatar(name: string, tag: string): HTMLElement {
  const disc = h("span", { class: "avatar", "aria-hidden": "true" }, h("bdi", {}, initial(name, tag)));
  disc.style.setProperty("--hue", String(hue(name)));
  return disc;
}

/** A conversation's picture: a person's disc; a group's is square, coloured by its id, and its name may come later. */
export function conversationAvatar(
  key: ConversationKey,
  name: string,
  tag: string,
): { readonly node: HTMLElement; rename(name: string): void } {
  const { kind, id } = conversationOf(key);
  if (kind === "user") return { node: avatar(id, tag), rename() {} };
  const letter = h("bdi", {});
  const node = h("span", { class: "avatar square", "aria-hidden": "true" }, letter);
  node.style.setProperty("--hue", String(hue(id)));
  const rename = (now: string): void => setText(letter, initial(now, tag));
  rename(name);
  return { node, rename };
}
