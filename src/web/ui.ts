import type { ConversationKey } from "./conversation.ts";
import type { Session } from "./session.ts";
import type { Words } from "./words.ts";

/** What every part of the chat screen is given. */
export interface Ui {
  readonly words: Words;
  readonly session: Session;
  /** Does the server give tokens to everybody? */
  readonly demo: boolean;
  /** Are `/health`, `/ready` and `/metrics` where the page is? */
  readonly health: boolean;
  readonly selected: ConversationKey | undefined;
  /** What was written and not sent, by conversation. */
  readonly drafts: Map<ConversationKey, string>;
  /** What the reader calls it. */
  nameOf(key: ConversationKey): string;
  select(key: ConversationKey | undefined): void;
  signOut(): void;
  /** After a token was refused: the demo makes another one, else the login screen asks. */
  signInAgain(): void;
  changeLanguage(): void;
  changeTheme(): void;
}

/** A part of the screen; `update` makes it show what is. */
export interface View {
  readonly node: HTMLElement;
  update(): void;
  /** Ends what it started (timers, observers). */
  close?(): void;
}
