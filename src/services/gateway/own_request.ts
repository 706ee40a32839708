import type { Upward } from "../../container/link.ts";
import type { Header } from "../../protocol/header.ts";

/** A request of the gateway itself: no account asks it, and nobody looks for it by a key. `startBy`: monotonic ms. */
export function ownRequest(gateId: string, header: Header, body: Uint8Array, startBy: number): Upward {
  return {
    header,
    body,
    app: "",
    account: "",
    device: "",
    caps: false,
    content: "protobuf",
    gateId,
    key: undefined,
    startBy,
    again: false,
  };
}
