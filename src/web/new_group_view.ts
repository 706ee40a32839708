import { GROUP_TEXT } from "../protocol/limits.ts";
import { codePoints } from "../protocol/names.ts";
import { chipsField } from "./chips_field.ts";
import { conversationOf } from "./conversation.ts";
import { h, setAttribute, setText } from "./dom.ts";
import { openModal } from "./modal.ts";
import type { Ui } from "./ui.ts";
import { failureOf } from "./words.ts";

/** Asks for a name and members, and makes the group. */
export function newGroup(ui: Ui): void {
  const { words, session } = ui;
  const known = session.book.summaries().map(({ key }) => conversationOf(key))
    .filter(({ kind, id }) => kind === "user" && id !== session.account).map(({ id }) => id);
  openModal(words.newGroup, "new-group-form", (close) => {
    const name = h("input", {
      id: "group-name",
      "data-testid": "group-name",
      placeholder: words.groupNameHint,
      dir: "auto",
      autocomplete: "off",
      maxlength: 200,
    });
    const label = words.members;
    const members = chipsField({ words, label, testId: "group-members", me: session.account, known });
    const problem = h("p", { class: "problem", role: "alert", "data-testid": "group-problem" });
    const create = h(
      "button",
      { type: "submit", class: "primary", "data-testid": "group-create" },
      words.createGroup,
    );
    const cancel = h("button", { type: "button", class: "secondary", onclick: close }, words.cancel);
    let busy = false;

    async function submit(event: SubmitEvent): Promise<void> {
      event.preventDefault();
      const title = name.value.trim();
      const tooLong = codePoints(title, GROUP_TEXT.name) > GROUP_TEXT.name;
      setAttribute(name, "aria-invalid", title === "" || tooLong);
      setText(problem, title === "" ? words.groupNameMissing : tooLong ? words.groupNameLong(GROUP_TEXT.name) : "");
      if (title === "" || tooLong) return name.focus();
      if (!members.take()) return members.input.focus();
      if (busy) return;
      setBusy(true);
      try {
        const key = await session.directory.create(title, members.names);
        close();
        ui.select(key);
      } catch (thrown) {
        setText(problem, failureOf(thrown, words));
      } finally {
        setBusy(false);
      }
    }

    function setBusy(is: boolean): void {
      busy = is;
      setAttribute(create, "aria-disabled", is ? "true" : undefined);
    }

    const form = h(
      "form",
      { class: "modal-form", novalidate: true, onsubmit: (event: SubmitEvent) => void submit(event) },
      h("div", { class: "field" }, h("label", { for: "group-name" }, words.groupName), name),
      members.node,
      problem,
      h("div", { class: "modal-buttons" }, cancel, create),
    );
    return [form];
  });
}
