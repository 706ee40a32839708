import { h, setText } from "./dom.ts";
import { duration } from "./format.ts";
import type { Ui, View } from "./ui.ts";

/** What is going on below the surface, for those who like to see it. */
export function factsView({ words, session, health }: Ui): View {
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
      health ? row(words.pages, h("dd", {}, ...links("/health", "/ready", "/metrics"))) : undefined,
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

function links(...paths: readonly string[]): (HTMLElement | string)[] {
  return paths.flatMap((path) => [h("a", { href: path, target: "_blank" }, path.slice(1)), " "]);
}
