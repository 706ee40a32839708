import { h, setAttribute } from "./dom.ts";
import { icon } from "./icons.ts";
import { theme } from "./theme.ts";
import type { Words } from "./words.ts";

/** Language and colours: two buttons that say what they change to. */
export function settingsButtons(
  words: Words,
  actions: { changeLanguage(): void; changeTheme(): void },
): HTMLButtonElement[] {
  const colours = h("button", { type: "button", class: "quiet", "data-testid": "theme" });
  const show = () => {
    const dark = theme() === "dark";
    colours.replaceChildren(icon(dark ? "sun" : "moon", 18));
    const label = dark ? words.toLight : words.toDark;
    setAttribute(colours, "aria-label", label);
    setAttribute(colours, "title", label);
  };
  colours.addEventListener("click", () => {
    actions.changeTheme();
    show();
  });
  show();
  const { otherLanguage, otherLanguageLong } = words;
  const language = h("button", {
    type: "button",
    class: "quiet",
    "data-testid": "lang",
    "aria-label": otherLanguageLong,
    title: otherLanguageLong,
    onclick: () => actions.changeLanguage(),
  }, otherLanguage);
  return [language, colours];
}
