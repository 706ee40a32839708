import { h, setAttribute, setText } from "./dom.ts";
import type { Trouble } from "./session.ts";
import type { Ui, View } from "./ui.ts";

/** What the reader has to know about the connection or the browser, above the messages. */
export function noticeView(ui: Ui): View {
  const { words, session } = ui;
  const text = h("p", {});
  const act = h("button", { type: "button", class: "small" });
  const notice = h("div", { class: "notice", hidden: true }, text, act);
  const storage = h(
    "div",
    { class: "notice calm", "data-testid": "storage-notice", role: "status", hidden: true },
    h("p", {}, words.storageDenied),
    h("button", { type: "button", class: "small", onclick: () => hideStorage() }, words.gotIt),
  );
  let storageSeen = false;
  let tick: ReturnType<typeof setInterval> | undefined;

  function hideStorage(): void {
    storageSeen = true;
    storage.hidden = true;
  }

  act.addEventListener("click", () => {
    const { trouble } = session;
    if (trouble?.kind === "offline") session.retryNow();
    else if (trouble?.kind === "kicked" || trouble?.kind === "closed") session.connect();
    else ui.signInAgain();
  });

  function update(): void {
    const { trouble } = session;
    storage.hidden = storageSeen || !session.storageFailed;
    notice.hidden = trouble === undefined;
    clearInterval(tick);
    if (!trouble) return;
    const { id, says, offers, calm } = wording(trouble);
    setAttribute(notice, "data-testid", id);
    setAttribute(notice, "role", calm ? "status" : "alert");
    notice.classList.toggle("calm", calm);
    setText(text, says);
    setText(act, offers);
    setAttribute(act, "data-testid", trouble.kind === "offline" ? "try-now" : "sign-in-again");
    if (trouble.kind === "offline" && trouble.retryAtMs !== undefined) {
      tick = setInterval(() => setText(text, wording(trouble).says), 500);
    }
  }

  function wording(trouble: Trouble): { id: string; says: string; offers: string; calm: boolean } {
    if (trouble.kind === "offline") {
      const { retryAtMs, draining } = trouble;
      const seconds = retryAtMs === undefined ? 0 : Math.max(0, Math.ceil((retryAtMs - performance.now()) / 1_000));
      const next = seconds === 0 ? words.retrying : words.retryIn(seconds);
      const says = [draining ? words.draining : words.offline, next, words.kept].join(words.gap);
      return { id: "offline-banner", says, offers: words.tryNow, calm: true };
    }
    if (trouble.kind === "kicked") {
      return { id: "kicked-notice", says: words.kicked, offers: words.signInHere, calm: false };
    }
    const says = trouble.kind === "closed" ? words.closedFor(trouble.reason) : words[trouble.kind];
    return { id: "closed-notice", says, offers: words.signInAgain, calm: false };
  }

  return { node: h("div", { class: "notices" }, notice, storage), update, close: () => clearInterval(tick) };
}
