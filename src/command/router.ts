import { ImError } from "../base/errors.ts";
import type { BodyType } from "../protocol/bodies.ts";
import { decodeAs, encodeAs } from "../protocol/content.ts";
import type { CommandContext } from "./context.ts";

/** What the router needs of a row of protocol/commands.ts. */
export interface Route<Req, Res> {
  readonly name: string;
  readonly request: BodyType<Req>;
  readonly response: BodyType<Res>;
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
  add<Req, Res>(route: Route<Req, Res>, handler: Handler<Req, Res>, ...middleware: Middleware[]): this {
    const { name, request, response } = route;
    if (this.#routes.has(name)) throw new Error(`Cannot add command ${name}: it has a handler already`);
    this.#routes.set(
      name,
      this.#surround(middleware, async (ctx, body) => {
        return encodeAs<Res>(ctx.content, response, await handler(ctx, decodeAs(ctx.content, request, body)));
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
