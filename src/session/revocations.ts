/** Something that is no longer let in, until a Unix second: one token, or an account whatever its token. */
export type Revocation = TokenRevocation | AccountRevocation;

export interface TokenRevocation {
  /** SHA-256 of the token's text, lower-case hex. */
  readonly token: string;
  /** When the token expires: then it is refused anyway. */
  readonly until: number;
}

/** No login of the account until then. Tokens do not say when they were made, so new ones are refused too. */
export interface AccountRevocation {
  readonly app: string;
  readonly account: string;
  readonly until: number;
}

/** Where a gateway learns what is revoked. */
export interface RevocationSource {
  /** SHA-256 of a token's text, lower-case hex. */
  hash(token: string): string;
  /**
   * Calls `changed` with the whole list, at once and within 5 s of every change. A list that cannot be had changes
   * nothing.
   */
  watch(changed: (list: readonly Revocation[]) => void): { stop(): void };
}

/** Nothing is ever revoked. */
export const NO_REVOCATIONS: RevocationSource = { hash: () => "", watch: () => ({ stop() {} }) };

/** Revocations that count at once, in one list. */
export const MOST_REVOCATIONS = 10_000;

/** A list of revocations, asked by what a login says. */
export class Revocations {
  /** Token hash, or app and account, to the Unix second until which it is refused. */
  #until = new Map<string, number>();

  /** How many there are, some perhaps over. */
  get size(): number {
    return this.#until.size;
  }

  /** Takes the place of what was there. Those that are over, and those beyond the limit, are left out. */
  replace(list: readonly Revocation[], nowSeconds: number): void {
    const until = new Map<string, number>();
    for (const one of list) {
      if (until.size === MOST_REVOCATIONS) break;
      if (one.until > nowSeconds) until.set(revocationKey(one), one.until);
    }
    this.#until = until;
  }

  /** Is this login refused now? */
  refuses(
    login: { readonly app: string; readonly account: string; readonly token: string },
    nowSeconds: number,
  ): boolean {
    if (this.#until.size === 0) return false;
    return this.#counts(login.token, nowSeconds) || this.#counts(accountKey(login.app, login.account), nowSeconds);
  }

  #counts(key: string, nowSeconds: number): boolean {
    const until = this.#until.get(key);
    if (until === undefined) return false;
    if (until > nowSeconds) return true;
    this.#until.delete(key);
    return false;
  }
}

/** Two revocations of the same token or account have the same key. */
export function revocationKey(one: Revocation): string {
  return "token" in one ? one.token : accountKey(one.app, one.account);
}

/** Names have no `|`. */
function accountKey(app: string, account: string): string {
  return `${app}|${account}`;
}
