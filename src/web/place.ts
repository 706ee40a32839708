import { type ClientStorage, MemoryStorage } from "../sdk/mod.ts";

/** What a tab is to the server: a device of its own, and where the SDK keeps that device's place in the inbox. */
export interface Place {
  readonly device: string;
  readonly storage: ClientStorage;
}

const KEY = "petrel.device";

/** This tab's place; a reload finds it again. */
export function claimPlace(): Promise<Place> {
  return Promise.resolve({ device: deviceName(), storage: new MemoryStorage() });
}

function deviceName(): string {
  const made = `page-${Math.random().toString(36).slice(2, 8)}`;
  try {
    const kept = sessionStorage.getItem(KEY) ?? made;
    sessionStorage.setItem(KEY, kept);
    return kept;
  } catch { // storage is denied
    return made;
  }
}
