import { preference, remember } from "./preferences.ts";

export type Theme = "light" | "dark";

/** What browsers on phones paint around the page: the colour of its head (page.css `--paper`). */
const AROUND: Readonly<Record<Theme, string>> = { light: "#fbfdfd", dark: "#101c21" };

let chosen = preference("theme");

/** What the reader chose, else what the system says. */
export function theme(): Theme {
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** Shows the theme, and goes on following the system as long as the reader has not chosen. */
export function startTheme(changed: () => void): void {
  const show = () => {
    paint();
    changed();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}

export function chooseTheme(choice: Theme): void {
  remember("theme", chosen = choice);
  paint();
}

function paint(): void {
  document.documentElement.dataset["theme"] = theme();
  for (const meta of document.querySelectorAll<HTMLMetaElement>("meta[name=theme-color]")) {
    meta.content = AROUND[theme()];
  }
}
