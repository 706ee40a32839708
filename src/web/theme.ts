import { preference, remember } from "./preferences.ts";

export type Theme = "light" | "dark";

/** What the reader chose, else what the system says. */
export function theme(): Theme {
  const chosen = preference("theme");
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** Shows the theme, and goes on following the system as long as the reader has not chosen. */
export function startTheme(changed: () => void): void {
  const show = () => {
    document.documentElement.dataset["theme"] = theme();
    changed();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}

export function chooseTheme(chosen: Theme): void {
  remember("theme", chosen);
  document.documentElement.dataset["theme"] = chosen;
}
