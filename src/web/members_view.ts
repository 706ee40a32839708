import { isName } from "../protocol/names.ts";
import { avatar } from "./avatar.ts";
import { type ConversationKey, keyOf } from "./conversation.ts";
import { h, setAttribute, setText } from "./dom.ts";
import type { GroupFacts } from "./group_facts.ts";
import { icon } from "./icons.ts";
import { confirm } from "./modal.ts";
import type { Ui, View } from "./ui.ts";
import { failureOf } from "./words.ts";

/** Members on the screen at first, and more at a time. */
const PAGE = 100;

/** Who is in a group: everybody may bring somebody in and leave, its owner may remove. */
export function membersView(ui: Ui, key: ConversationKey, close: () => void): View & { focus(): void } {
  const { words, session } = ui;
  const { directory, account } = session;
  /** In the order they joined; undefined until the server has said who they are. */
  let accounts: string[] | undefined;
  let rest: AsyncIterator<{ readonly account: string }> | undefined;
  let owner = "";
  /** What was known of the group when the list was fetched. */
  let fetchedFor: GroupFacts | "never" | undefined = "never";
  let reading = false;
  const list = h("ul", { class: "member-list", "aria-label": words.members });
  const more = h("button", { type: "button", class: "link", "data-testid": "members-more" }, words.moreMembers);
  const problem = h("p", { class: "problem", role: "alert", "data-testid": "members-problem" });
  const shut = h(
    "button",
    { type: "button", class: "quiet", "aria-label": words.close, title: words.close, onclick: close },
    icon("close", 18),
  );
  const input = h("input", {
    "data-testid": "add-member",
    "aria-label": words.addMember,
    placeholder: words.addMember,
    dir: "auto",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    maxlength: 200,
  });
  const form = h(
    "form",
    { class: "add-member", novalidate: true, onsubmit: (event: SubmitEvent) => void add(event) },
    h("div", { class: "row" }, input, h("button", { type: "submit", class: "primary small" }, words.add)),
  );
  const leave = h(
    "button",
    { type: "button", class: "leave-group", "data-testid": "leave-group", onclick: () => askToLeave() },
    icon("leave", 18),
    words.leaveGroup,
  );
  const title = h("h3", {}, words.members);
  const node = h(
    "aside",
    { class: "members-panel", "data-testid": "members-panel", "aria-label": words.members },
    h("div", { class: "panel-head" }, title, shut),
    form,
    problem,
    h("div", { class: "member-scroller" }, list, more),
    leave,
  );
  more.addEventListener("click", () => void read(() => readPage(accounts ??= [], PAGE)));
  node.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });

  /** From the beginning. */
  async function load(): Promise<void> {
    fetchedFor = directory.group(key);
    await read(async () => {
      const found = await directory.members(key);
      owner = found.owner;
      rest = found.members;
      fetchedFor = directory.group(key);
      const most = Math.max(PAGE, accounts?.length ?? 0);
      accounts = [];
      await readPage(accounts, most);
    });
  }

  /** One reading at a time. */
  async function read(what: () => Promise<void>): Promise<void> {
    if (reading) return;
    reading = true;
    await trying(what);
    reading = false;
    show();
    update();
  }

  async function readPage(into: string[], most: number): Promise<void> {
    for (let i = 0; rest && i < most; i++) {
      const { done, value } = await rest.next();
      if (done) rest = undefined;
      else into.push(value.account);
    }
  }

  async function add(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const name = input.value.trim();
    const wrong = !isName(name) ? words.nameRule : accounts?.includes(name) ? words.alreadyIn(name) : "";
    setText(problem, wrong);
    if (wrong !== "") return input.focus();
    await trying(async () => {
      await directory.add(key, name);
      input.value = "";
    });
    input.focus();
  }

  function askToRemove(name: string): void {
    // The button that was pressed goes with its row.
    const act = () => void trying(() => directory.remove(key, name)).then(() => shut.focus());
    confirm({
      title: words.removeMember(name),
      text: words.removeMemberMore,
      yes: words.remove,
      no: words.cancel,
      act,
    });
  }

  function askToLeave(): void {
    const text = [...(owner === account ? [words.leaveGroupOwner] : []), words.leaveGroupMore].join(words.gap);
    const act = () => void trying(() => directory.remove(key, account));
    confirm({ title: words.leaveGroupSure(ui.nameOf(key)), text, yes: words.leaveGroup, no: words.cancel, act });
  }

  async function trying(what: () => Promise<void>): Promise<void> {
    setText(problem, "");
    try {
      await what();
    } catch (thrown) {
      setText(problem, failureOf(thrown, words));
    }
  }

  function show(): void {
    list.replaceChildren(...(accounts ?? []).map((name) => {
      const remove = h(
        "button",
        { type: "button", class: "quiet", "data-testid": "remove-member", title: words.removeMember(name) },
        icon("close", 16),
      );
      setAttribute(remove, "aria-label", words.removeMember(name));
      remove.addEventListener("click", () => askToRemove(name));
      return h(
        "li",
        { class: "member", "data-testid": "member", "data-account": name },
        avatar(name, words.tag),
        name === account ? h("bdi", { class: "who" }, name) : talkTo(name),
        name === owner ? h("span", { class: "tag" }, words.owner) : undefined,
        name === account ? h("span", { class: "tag" }, words.you) : undefined,
        owner === account && name !== account ? remove : undefined,
      );
    }));
    more.hidden = rest === undefined;
  }

  /** A name that opens the conversation with its bearer. */
  function talkTo(name: string): HTMLElement {
    const open = () => ui.select(keyOf({ kind: "user", id: name }));
    return h(
      "button",
      { type: "button", class: "who", title: words.composer(name), onclick: open },
      h("bdi", {}, name),
    );
  }

  /** Somebody came or went: the list is fetched anew. */
  function update(): void {
    const facts = directory.group(key);
    setText(title, facts ? words.memberCount(facts.memberCount) : words.members);
    if (!reading && session.state === "online" && facts?.member !== false && facts !== fetchedFor) void load();
  }

  show();
  return { node, update, focus: () => shut.focus() };
}
