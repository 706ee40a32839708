/** Whom one talks to: an account, or later a group. */
export interface Conversation {
  readonly kind: "user" | "group";
  /** The other account, or the group. */
  readonly id: string;
}

/** One word for it: `user:bob`. Names hold no colon. */
export type ConversationKey = string;

export function keyOf({ kind, id }: Conversation): ConversationKey {
  return `${kind}:${id}`;
}

export function conversationOf(key: ConversationKey): Conversation {
  const colon = key.indexOf(":");
  return { kind: key.slice(0, colon) === "group" ? "group" : "user", id: key.slice(colon + 1) };
}
