import { systemClock } from "../../base/clock.ts";
import { fileClock } from "./file_clock.ts";
import { REPLY } from "./messages.ts";
import type { Role } from "./role.ts";
import { answer, failure, openRole, type Settings } from "./roles.ts";
import { Packer, Unpacker } from "./wire.ts";

/** What a Worker's global object offers; both runtimes have it, the shared types do not. */
interface Scope {
  postMessage(message: readonly ArrayBuffer[] | null, transfer: ArrayBuffer[]): void;
  addEventListener(kind: "message", listen: (event: { readonly data: unknown }) => void): void;
}

/**
 * One thread of the store. First message: Settings. Then lists of requests, each answered by the list of their replies. `null`: close, answered
 * with `null`.
 */
function serve(scope: Scope): void {
  let role: Role | undefined;
  const send = (replies: ArrayBuffer[]) => scope.postMessage(replies, replies);
  scope.addEventListener("message", ({ data }) => {
    if (data === null) {
      role?.[Symbol.dispose]();
      scope.postMessage(null, []);
    } else if (!Array.isArray(data)) {
      try {
        const settings = data as Settings; // sent by lane.ts of this build
        role = openRole(settings, "faults" in settings ? fileClock(systemClock, settings.faults) : systemClock);
        send([opened().buffer]);
      } catch (thrown) {
        send([failure(thrown, REPLY.error).buffer]);
      }
    } else {
      const replies: ArrayBuffer[] = [];
      for (const request of data as ArrayBuffer[]) { // sent by lane.ts of this build
        if (!role) break;
        const { reply, stopped } = answer(role, new Unpacker(request));
        if (stopped) role = undefined;
        replies.push(reply.buffer);
      }
      if (replies.length > 0) send(replies);
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
