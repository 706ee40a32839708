/** The parts of a page that tell when it is worth trying again. Neither Bun nor Deno has them all. */
interface Page {
  readonly addEventListener?: (type: string, listener: () => void) => void;
  readonly removeEventListener?: (type: string, listener: () => void) => void;
  readonly document?: Page & { readonly visibilityState?: string };
}

/** Calls `wake` when the network is back or the page is looked at again; the function returned ends that. */
export function onWake(wake: () => void, page: Page = globalThis as Page): () => void {
  const { document } = page;
  const seen = () => {
    if (document?.visibilityState !== "hidden") wake();
  };
  page.addEventListener?.("online", wake);
  document?.addEventListener?.("visibilitychange", seen);
  return () => {
    page.removeEventListener?.("online", wake);
    document?.removeEventListener?.("visibilitychange", seen);
  };
}
