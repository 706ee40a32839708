import type { Entry } from "../../src/web/entry.ts";

/** A received message of bob; what the test is about is given. */
export function entry(given: Partial<Entry> & { readonly key: string }): Entry {
  return {
    conversation: "user:bob",
    own: false,
    sender: "bob",
    type: 1,
    body: given.key,
    extra: "",
    timeMs: 1_000,
    seq: 0,
    state: "received",
    messageId: given.seq ? String(given.seq) : "",
    ...given,
  };
}

/** One of ours. */
export function own(given: Partial<Entry> & { readonly key: string }): Entry {
  return entry({ own: true, sender: "ann", state: "sending", ...given });
}
