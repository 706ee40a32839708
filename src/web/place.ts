import { claimDevice, type ClientStorage, IndexedDbStorage } from "../sdk/mod.ts";

/** What a tab is to the server: a device of its own, and where the SDK keeps that device's place in the inbox. */
export interface Place {
  readonly device: string;
  readonly storage: ClientStorage;
  /** Another tab may be this device from now on. */
  free(): void;
}

/** This tab's place; a reload finds it again, a second tab gets another. */
export async function claimPlace(account: string): Promise<Place> {
  const device = await claimDevice();
  const storage = new IndexedDbStorage(`petrel-page/${account}/${device.name}`);
  return { device: device.name, storage, free: () => device.free() };
}
