import { systemClock } from "../../base/clock.ts";
import { REPLY } from "./messages.ts";
import type { Role } from "./role.ts";
import { answer, failure, openRole, type Settings } from "./roles.ts";
import { Packer, Unpacker } from "./wire.ts";

/** What a Worker's global object offers; both runtimes have it, the shared types do not. */
interface Scope {
  postMessage(message: ArrayBuffer | null, transfer: ArrayBuffer[]): void;
  addEventListener(kind: "message", listen: (event: { readonly data: unknown }) => void): void;
}

/**
 * One thread of the store. First message: Settings. Then requests, each answered in order. `null`: close, answered
 * with `null`.
 */
function serve(scope: Scope): void {
  let role: Role | undefined;
  const send = (reply: Packer) => scope.postMessage(reply.buffer, [reply.buffer]);
  scope.addEventListener("message", ({ data }) => {
    if (data === null) {
      role?.[Symbol.dispose]();
      scope.postMessage(null, []);
    } else if (!(data instanceof ArrayBuffer)) {
      try {
        role = openRole(data as Settings, systemClock); // sent by lane.ts of this build
        send(opened());
      } catch (thrown) {
        send(failure(thrown, REPLY.error));
      }
    } else if (role) {
      const { reply, stopped } = answer(role, new Unpacker(data));
      if (stopped) role = undefined;
      send(reply);
    }
  });
}

function opened(): Packer {
  const reply = new Packer(1);
  reply.u8(REPLY.ok);
  return reply;
}

function isScope(value: object): value is Scope {
  return "postMessage" in value && "addEventListener" in value;
}

const scope: object = globalThis;
if (isScope(scope)) serve(scope);
