import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import { Faults } from "./faults.ts";
import {
  ASK,
  packAnswer,
  packError,
  packRefusal,
  packState,
  readAck,
  readRange,
  readWrite,
  REPLY,
  type Write,
} from "./messages.ts";
import { packContent, packEntry, packHead, packMaybe, packMessage, packPage, packPeeked, readView } from "./pages.ts";
import { NO_HEAD, Reader } from "./reader.ts";
import { openForReading, openForWriting } from "./schema.ts";
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
    /** undefined: faults cannot be injected. */
    readonly faults: string | undefined;
  }
  | { readonly role: "reader"; readonly path: string };

/** One half of the store, wherever it runs: takes requests and writes replies. */
export interface Role extends Disposable {
  /** @throws {ImError | Stop} */
  handle(request: Unpacker, reply: Packer): void;
}

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
  const words = thrown instanceof Error ? thrown.message : String(thrown);
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
    throw new ImError("CONFIG", `Cannot open ${path}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
  return {
    handle(request, reply) {
      const ask = request.u8();
      if (ask === ASK.write) write(writer, request, reply);
      else if (ask === ASK.peek) peek(writer, request, reply);
      else inject(settings.faults === undefined ? undefined : faults, request.text());
    },
    [Symbol.dispose]: () => writer[Symbol.dispose](),
  };
}

/** hot: per batch */
function write(writer: Writer, request: Unpacker, reply: Packer): void {
  const writes = new Array<Write>(request.i32());
  let app = "";
  for (let i = 0; i < writes.length; i++) {
    const one = writes[i] = readWrite(request, app);
    app = one.app;
  }
  const acks = Array.from({ length: request.i32() }, () => readAck(request));
  const outcome = writer.run({ writes, acks });
  for (const one of outcome.answers) {
    if (one instanceof ImError) packRefusal(reply, one);
    else packAnswer(reply, one.stored, one.duplicate);
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
    packPeeked(reply, writer.peek(request.text(), request.text(), readRange(request)));
  }
}

function inject(faults: Faults | undefined, text: string): void {
  if (!faults) throw new ImError("CONFIG", "Cannot inject faults: the store was opened without `faults`");
  faults.add(text);
}

function readerRole(path: string): Role {
  const db = openForReading(path);
  const reader = new Reader(db);
  return {
    handle(request, reply) {
      const ask = request.u8(), app = request.text();
      if (ask === ASK.heads) return heads(reader, app, request, reply);
      const account = request.text();
      if (ask === ASK.page) page(reader, app, account, request, reply);
      else if (ask === ASK.contents) contents(reader, app, account, request, reply);
      else if (ask === ASK.position) {
        packMaybe(reply, reader.position(app, account, request.i64()), (pos) => reply.num(pos));
      } else reply.num(reader.acked(app, account, request.text()));
    },
    [Symbol.dispose]: () => reader[Symbol.dispose](),
  };
}

function heads(reader: Reader, app: string, request: Unpacker, reply: Packer): void {
  for (let left = request.i32(); left > 0; left--) {
    const view = reader.view(app, request.text());
    packHead(reply, view ? { pos: view.head, epoch: view.epoch } : NO_HEAD);
  }
}

function page(reader: Reader, app: string, account: string, request: Unpacker, reply: Packer): void {
  const withMessages = request.u8() === 1;
  const range = readRange(request);
  const view = readView(request) ?? reader.view(app, account);
  if (withMessages) packPage(reply, reader.messages(account, view, range), packMessage);
  else packPage(reply, reader.entries(view, range), packEntry);
}

function contents(reader: Reader, app: string, account: string, request: Unpacker, reply: Packer): void {
  const ids = Array.from({ length: request.i32() }, () => request.i64());
  for (const found of reader.contents(app, account, ids)) packMaybe(reply, found, (one) => packContent(reply, one));
}
