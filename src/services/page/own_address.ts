/** What a browser's request says about where it comes from and where it thinks it goes. */
export interface Asker {
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** Sec-Fetch-Site */
  readonly site: string | undefined;
}

/**
 * Why a request may not do more than read: undefined when it was made by our own page, or by no page at all. A name that
 * is not ours in Host is DNS rebinding (a foreign name that leads to this machine); an address cannot be rebound.
 */
export function notOurs({ host, origin, site }: Asker, ownName: string): string | undefined {
  const name = host === undefined ? undefined : nameOf(`http://${host}`);
  if (host === undefined || name === undefined) return "the request names no host";
  if (!isAddress(name) && !isLocalhost(name) && name !== ownName.toLowerCase()) {
    return `${name} is not this server's name`;
  }
  if (origin !== undefined && hostOf(origin) !== host.toLowerCase()) return "it comes from another origin";
  if (site !== undefined && site !== "same-origin" && site !== "none") return "it comes from another site";
  return undefined;
}

function nameOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}

function hostOf(origin: string): string | undefined {
  return /^https?:\/\/([^/]+)$/.exec(origin)?.[1]?.toLowerCase();
}

function isAddress(name: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+$/.test(name) || name.startsWith("[");
}

function isLocalhost(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost");
}
