import { systemClock } from "../base/clock.ts";
import { leasesContract } from "../../tests/contract/leases.ts";
import { sessionStoreContract } from "../../tests/contract/session_store.ts";
import { MemorySessionStore } from "./memory.ts";
import { MemoryLeases } from "./memory_leases.ts";

leasesContract("memory", () => Promise.resolve(new MemoryLeases(systemClock)));
sessionStoreContract("memory", (devices) => {
  const leases = new MemoryLeases(systemClock);
  return Promise.resolve({ store: new MemorySessionStore(systemClock, { devices, leases }), leases });
});
