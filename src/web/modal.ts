import { h } from "./dom.ts";

let names = 0;

/** A window over the page that takes the keyboard until it is closed; Escape closes it. */
export function openModal(title: string, testId: string, content: (close: () => void) => Node[]): void {
  const id = `modal-${++names}`;
  const dialog = h("dialog", { class: "modal", "data-testid": testId, "aria-labelledby": id });
  dialog.append(h("h2", { id }, title), ...content(() => dialog.close()));
  dialog.addEventListener("close", () => dialog.remove()); // the browser gives the focus back
  // A click beside it: its own box has no padding.
  dialog.addEventListener("pointerdown", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
}

export interface Question {
  readonly title: string;
  readonly text: string;
  /** On the button that does it. */
  readonly yes: string;
  readonly no: string;
  act(): void;
}

/** Asks before something that cannot be taken back. */
export function confirm({ title, text, yes, no, act }: Question): void {
  openModal(title, "confirm", (close) => {
    const cancel = h("button", { type: "button", class: "secondary", "data-testid": "confirm-no", onclick: close }, no);
    const agree = h("button", { type: "button", class: "primary danger", "data-testid": "confirm-yes" }, yes);
    agree.addEventListener("click", () => {
      close();
      act();
    });
    return [h("p", {}, text), h("div", { class: "modal-buttons" }, cancel, agree)];
  });
}
