import { type Clock, type Timer } from "../../../base/clock.ts";
import { ImError } from "../../../base/errors.ts";
import type { Logger } from "../../../base/logger.ts";
import type { RoomChanged, RoomChangesPage } from "../../../message/room_changes.ts";

export interface RoomWatchDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** Changes of large groups that no chat server made, since `after`. */
  readonly since: (after: string) => Promise<RoomChangesPage>;
  /** Tells the gateways. */
  readonly changed: (change: RoomChanged) => Promise<void>;
}

/** How soon members who are online are reached after an admin's call, at most; questions never overlap. */
const EVERY_MS = 500;

/** Asks the store which members the system itself let into large groups, and tells the gateways of their channels. */
export class RoomWatch implements Disposable {
  readonly #deps: RoomWatchDeps;
  readonly #timer: Timer;
  #after = "";
  #asking = false;

  constructor(deps: RoomWatchDeps) {
    this.#deps = deps;
    this.#timer = deps.clock.every(EVERY_MS, () => void this.#ask());
    void this.#ask();
  }

  [Symbol.dispose](): void {
    this.#timer.stop();
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    const { log, since, changed } = this.#deps;
    try {
      const { next, missed, list } = await since(this.#after);
      if (missed) log.info("changes of large groups were missed: who is online learns of them at its next login", {});
      for (const change of list) await changed(change);
      this.#after = next; // not before: what failed is told again, and telling twice changes nothing
    } catch (thrown) {
      log.debug("changes of large groups could not be asked for", { error: ImError.from(thrown) });
    } finally {
      this.#asking = false;
    }
  }
}
