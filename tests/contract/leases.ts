import { expect, test } from "bun:test";
import type { Leases } from "../../src/session/leases.ts";

/** What all leases promise. `open` makes some that nobody else uses. */
export function leasesContract(name: string, open: () => Promise<Leases & Partial<AsyncDisposable>>): void {
  const opened = async (): Promise<Leases & AsyncDisposable> => {
    const leases = await open();
    return {
      claim: (...args) => leases.claim(...args),
      release: (...args) => leases.release(...args),
      [Symbol.asyncDispose]: async () => void await leases[Symbol.asyncDispose]?.(),
    };
  };
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  test(`Leases/${name}: a lease is made once and kept as often as it is asked for`, async () => {
    await using leases = await opened();
    expect(await leases.claim("gate:1", "a", 5_000)).toBe("made");
    expect(await leases.claim("gate:1", "a", 5_000)).toBe("kept");
    expect(await leases.claim("gate:2", "a", 5_000)).toBe("made");
  });

  test(`Leases/${name}: nobody else gets it while it is held`, async () => {
    await using leases = await opened();
    await leases.claim("node:7", "a", 5_000);
    expect(await leases.claim("node:7", "b", 5_000)).toBe("taken");
    await leases.release("node:7", "b");
    expect(await leases.claim("node:7", "b", 5_000)).toBe("taken");
    expect(await leases.claim("node:7", "a", 5_000)).toBe("kept");
    await leases.release("node:7", "a");
    expect(await leases.claim("node:7", "b", 5_000)).toBe("made");
  });

  test(`Leases/${name}: a lease that is not renewed is over, also for its holder`, async () => {
    await using leases = await opened();
    await leases.claim("node:7", "a", 60);
    await wait(120);
    expect(await leases.claim("node:7", "b", 60)).toBe("made");
    await wait(120);
    expect(await leases.claim("node:7", "b", 60)).toBe("made");
  });

  test(`Leases/${name}: of many who ask at once one gets it`, async () => {
    await using leases = await opened();
    const claims = await Promise.all(Array.from({ length: 20 }, (_, i) => leases.claim("node:1", `p${i}`, 5_000)));
    expect(claims.filter((claim) => claim === "made").length).toBe(1);
    expect(claims.filter((claim) => claim === "taken").length).toBe(19);
  });
}
