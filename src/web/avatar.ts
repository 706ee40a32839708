import { h } from "./dom.ts";
import { hue, initial } from "./format.ts";

/** A coloured disc with the first letter of a name. */
export function avatar(name: string, tag: string): HTMLElement {
  const disc = h("span", { class: "avatar", "aria-hidden": "true" }, h("bdi", {}, initial(name, tag)));
  disc.style.setProperty("--hue", String(hue(name)));
  return disc;
}
