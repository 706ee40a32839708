import { ImError } from "../base/errors.ts";
import type { CommandContext } from "./context.ts";

/** A body codec: the generated message bound to bytes. Throws ImError BODY_INVALID. */
export interface BodyCodec<T> {
  decode(bytes: Uint8Array): T;
  encode(value: T): Uint8Array;
}

/** Gives the reply's body bytes. Calls `next` at most once; code before it runs before the handler, in arrival order. */
export type Middleware = (ctx: CommandContext, next: () => Promise<Uint8Array>) => Promise<Uint8Array>;

/** A command's handler. Everything up to its first `await` runs in arrival order of its channel. */
export type Handler<Req, Res> = (ctx: CommandContext, request: Req) => Promise<Res>;

type Run = (ctx: CommandContext, body: Uint8Array) => Promise<Uint8Array>;

/**
 * Commands to handlers. Middleware given to the router surrounds every command, middleware given with a command
 * surrounds that one, inside. Unknown commands go through the router's middleware too and end as NOT_IMPLEMENTED.
 */
export class CommandRouter {
  readonly #middleware: readonly Middleware[];
  readonly #routes = new Map<string, Run>();
  readonly #unknown: Run;

  constructor(...middleware: Middleware[]) {
    this.#middleware = middleware;
    this.#unknown = this.#surround([], () => Promise.reject(new ImError("NOT_IMPLEMENTED", "NotImplemented")));
  }

  /** @throws {Error} when the command has a handler already: a mistake in the program, found at start. */
  add<Req, Res>(
    command: string,
    codecs: { request: BodyCodec<Req>; response: BodyCodec<Res> },
    handler: Handler<Req, Res>,
    ...middleware: Middleware[]
  ): this {
    if (this.#routes.has(command)) throw new Error(`Cannot add command ${command}: it has a handler already`);
    this.#routes.set(
      command,
      this.#surround(middleware, async (ctx, body) => {
        return codecs.response.encode(await handler(ctx, codecs.request.decode(body)));
      }),
    );
    return this;
  }

  commands(): string[] {
    return [...this.#routes.keys()].sort();
  }

  /** Runs the command named in the header. Rejects only when no middleware turns errors into replies. */
  run(ctx: CommandContext, body: Uint8Array): Promise<Uint8Array> {
    return (this.#routes.get(ctx.header.command) ?? this.#unknown)(ctx, body);
  }

  #surround(own: readonly Middleware[], inner: Run): Run {
    return [...this.#middleware, ...own].reduceRight<Run>(
      (next, middleware) => (ctx, body) => middleware(ctx, () => next(ctx, body)),
      inner,
    );
  }
}
