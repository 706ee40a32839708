import { systemClock } from "../base/clock.ts";
import { sessionStoreContract } from "../../tests/contract/session_store.ts";
import { MemorySessionStore } from "./memory.ts";

sessionStoreContract("memory", (devices) => Promise.resolve(new MemorySessionStore(systemClock, { devices })));
