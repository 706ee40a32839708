/** What the page remembers of its reader, for all tabs. A browser that keeps nothing is no problem. */
export interface Preferences {
  readonly account: string;
  readonly language: string;
  /** "": as the system is. */
  readonly theme: string;
}

const PREFIX = "petrel.";

export function preference(name: keyof Preferences): string {
  try {
    return localStorage.getItem(PREFIX + name) ?? "";
  } catch { // storage is denied
    return "";
  }
}

export function remember(name: keyof Preferences, value: string): void {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // storage is denied or full: it is only a comfort
  }
}
