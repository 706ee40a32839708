import { h, setText } from "./dom.ts";
import { duration } from "./format.ts";
import type { Ui, View } from "./ui.ts";

/** What is going on below the surface, for those who like to see it. */
export function factsView({ words, session }: Ui): View {
  const inbox = h("dd", { "data-testid": "fact-inbox" });
  const last = h("dd", { "data-testid": "fact-last-send" });
  const row = (name: string, value: HTMLElement) => h("div", {}, h("dt", {}, name), value);
  const node = h(
    "details",
    { class: "facts", open: true },
    h("summary", {}, words.details),
    h(
      "dl",
      {},
      row(words.connectedTo, h("dd", {}, session.url)),
      row(words.device, h("dd", { "data-testid": "fact-device" }, session.device)),
      row(words.inbox, inbox),
      row(words.lastSend, last),
      row(
        words.pages,
        h(
          "dd",
          {},
          ...["/health", "/ready", "/metrics"].flatMap((
            path,
          ) => [h("a", { href: path, target: "_blank" }, path.slice(1)), " "]),
        ),
      ),
    ),
  );
  return {
    node,
    update() {
      setText(inbox, session.position === 0 ? words.notYet : String(session.position));
      setText(last, session.lastSendMs === undefined ? words.notYet : words.storedIn(duration(session.lastSendMs)));
    },
  };
}
