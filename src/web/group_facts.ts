import { isName } from "../protocol/names.ts";
import type { ConversationKey } from "./conversation.ts";

/** What the page knows of a group without asking. */
export interface GroupFacts {
  readonly key: ConversationKey;
  readonly name: string;
  readonly memberCount: number;
  /** False: this account has left it, or was put out. What it saw stays here. */
  readonly member: boolean;
}

/** Account names in what somebody typed or pasted, divided by spaces or commas; each once, in order. */
export function namesIn(text: string): { readonly good: readonly string[]; readonly bad: readonly string[] } {
  const names = [...new Set(text.split(/[\s,，、;；]+/u))].filter((name) => name !== "");
  return { good: names.filter(isName), bad: names.filter((name) => !isName(name)) };
}
