import type { Clock } from "../../base/clock.ts";
import { ImError, reasonOf } from "../../base/errors.ts";
import { Faults } from "./faults.ts";
import {
  ASK,
  type NameLists,
  packAnswer,
  packDone,
  packError,
  packRefusal,
  packState,
  readAck,
  readItem,
  readRange,
  REPLY,
  type Write,
} from "./messages.ts";
import type { Op } from "./ops.ts";
import { packLasts, packPeeked, readPlaces } from "./pages.ts";
import { readerRole } from "./reader_role.ts";
import type { Role } from "./role.ts";
import { openForWriting } from "./schema.ts";
import { Stop } from "./transaction.ts";
import { Packer, type Unpacker } from "./wire.ts";
import { Writer } from "./writer.ts";

/** How a role is opened; travels to its thread by structured clone. */
export type Settings =
  | {
    readonly role: "writer";
    readonly path: string;
    readonly sync: "full" | "normal";
    readonly node: number;
    readonly tailRows: number;
    readonly cachedLogs: number;
    readonly inboxGroup: number;
    /** undefined: faults cannot be injected. */
    readonly faults: string | undefined;
  }
  | { readonly role: "reader"; readonly path: string };

/** @throws {ImError} CONFIG */
export function openRole(settings: Settings, clock: Clock): Role {
  return settings.role === "reader" ? readerRole(settings.path) : writerRole(settings, clock);
}

/** The reply to one request, whatever happens. `stopped`: nothing may be asked any more. */
export function answer(role: Role, request: Unpacker): { reply: Packer; stopped: boolean } {
  const reply = new Packer(4096);
  try {
    reply.u8(REPLY.ok);
    role.handle(request, reply);
    return { reply, stopped: false };
  } catch (thrown) {
    const stopped = thrown instanceof Stop;
    return { reply: failure(thrown, stopped ? REPLY.fatal : REPLY.error), stopped };
  }
}

/** A reply that says what went wrong. */
export function failure(thrown: unknown, kind: number): Packer {
  const reply = new Packer();
  reply.u8(kind);
  const words = reasonOf(thrown);
  packError(reply, ImError.from(thrown, `Store failed: ${words}`));
  return reply;
}

function writerRole(settings: Settings & { role: "writer" }, clock: Clock): Role {
  const { path, sync } = settings;
  const faults = new Faults(settings.faults);
  const db = openForWriting(path, sync);
  let writer: Writer;
  try {
    writer = new Writer(db, { ...settings, clock, faults });
  } catch (cause) {
    db.close();
    throw new ImError("CONFIG", `Cannot open ${path}: ${reasonOf(cause)}`, { cause });
  }
  return {
    handle(request, reply) {
      const ask = request.u8();
      if (ask === ASK.write) write(writer, request, reply);
      else if (ask === ASK.peek) peek(writer, request, reply);
      else if (ask === ASK.lasts) lasts(writer, request, reply);
      else inject(settings.faults === undefined ? undefined : faults, request.text());
    },
    [Symbol.dispose]: () => writer[Symbol.dispose](),
  };
}

/** hot: per batch */
function write(writer: Writer, request: Unpacker, reply: Packer): void {
  const items = new Array<Write | Op>(request.i32());
  let app = "";
  for (let i = 0; i < items.length; i++) {
    const one = items[i] = readItem(request, app);
    if (!("do" in one)) app = one.app;
  }
  const acks = Array.from({ length: request.i32() }, () => readAck(request));
  const outcome = writer.run({ items, acks });
  const lists: NameLists<readonly string[]> = new Map();
  for (const one of outcome.results) {
    if (one instanceof ImError) packRefusal(reply, one);
    else if ("done" in one) packDone(reply, one.done);
    else packAnswer(reply, one, lists);
  }
  for (const pos of outcome.acks) {
    reply.u8(pos instanceof ImError ? REPLY.error : REPLY.ok);
    if (pos instanceof ImError) packError(reply, pos);
    else reply.num(pos);
  }
  packState(reply, writer.state());
}

function peek(writer: Writer, request: Unpacker, reply: Packer): void {
  for (let left = request.i32(); left > 0; left--) {
    packPeeked(reply, writer.peek(request.text(), request.u8(), request.text(), readRange(request)));
  }
}

function lasts(writer: Writer, request: Unpacker, reply: Packer): void {
  const app = request.text(), account = request.text();
  packLasts(reply, writer.lasts(app, account, readPlaces(request)));
}

function inject(faults: Faults | undefined, text: string): void {
  if (!faults) throw new ImError("CONFIG", "Cannot inject faults: the store was opened without `faults`");
  faults.add(text);
}
