import { h, setText } from "./dom.ts";
import { namesIn } from "./group_facts.ts";
import { icon } from "./icons.ts";
import type { Words } from "./words.ts";

export interface ChipsOptions {
  readonly words: Words;
  readonly label: string;
  readonly testId: string;
  /** Who is in anyway. */
  readonly me: string;
  /** Names to choose from with a click. */
  readonly known: readonly string[];
}

/** A field for several names: each one that is complete becomes a chip. */
export function chipsField({ words, label, testId, me, known }: ChipsOptions) {
  const names: string[] = [];
  const input = h("input", {
    id: testId,
    "data-testid": testId,
    dir: "auto",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    enterkeyhint: "done",
    maxlength: 2_000,
    "aria-describedby": `${testId}-problem`,
  });
  const chips = h("ul", { class: "chips", "aria-label": label });
  const problem = h("p", { class: "problem", role: "alert", id: `${testId}-problem` });
  const suggested = h("div", { class: "suggested" });
  const box = h("div", { class: "chips-box" }, chips, input);
  box.addEventListener("click", (event) => {
    if (event.target === box || event.target === chips) input.focus();
  });

  /** Makes chips of what is in the field; what is no name stays there. Is everything a chip now? */
  function take(): boolean {
    const { good, bad } = namesIn(input.value);
    for (const name of good) if (name !== me && !names.includes(name)) names.push(name);
    input.value = bad.join(" ");
    setText(problem, bad.length > 0 ? words.nameRule : good.includes(me) ? words.youAnyway : "");
    show();
    return bad.length === 0;
  }

  function remove(name: string): void {
    names.splice(names.indexOf(name), 1);
    show();
    input.focus();
  }

  function show(): void {
    chips.replaceChildren(...names.map((name) =>
      h(
        "li",
        { class: "chip", "data-testid": "chip" },
        h("bdi", {}, name),
        h(
          "button",
          {
            type: "button",
            "aria-label": words.takeAway(name),
            title: words.takeAway(name),
            onclick: () => remove(name),
          },
          icon("close", 14),
        ),
      )
    ));
    chips.hidden = names.length === 0;
    input.placeholder = names.length === 0 ? words.memberHint : "";
    const left = known.filter((name) => !names.includes(name)).slice(0, 6);
    suggested.replaceChildren(...left.map((name) => {
      const button = h("button", { type: "button", class: "chip suggestion" }, icon("plus", 14), h("bdi", {}, name));
      button.addEventListener("click", () => {
        names.push(name);
        show();
        input.focus();
      });
      return button;
    }));
    suggested.hidden = left.length === 0;
  }

  input.addEventListener("input", () => {
    if (/[\s,，、;；]/u.test(input.value)) take();
    else setText(problem, "");
  });
  input.addEventListener("blur", take);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return;
    const last = names.at(-1);
    if (event.key === "Backspace" && input.value === "" && last !== undefined) remove(last);
    if (event.key !== "Enter" || input.value.trim() === "") return;
    event.preventDefault(); // an empty field: Enter sends the form
    take();
  });
  show();
  const node = h("div", { class: "field" }, h("label", { for: testId }, label), box, suggested, problem);
  return { node, input, names, take };
}
