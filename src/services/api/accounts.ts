import { z } from "zod";
import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import { type Hmac, makeToken } from "../../protocol/claims.ts";
import type { SessionStore } from "../../session/store.ts";
import { NO_QUERY, NOTHING, type Route, route } from "./route.ts";
import { Name } from "./shapes.ts";

export interface AccountDeps {
  readonly clock: Clock;
  readonly sessions: Pick<SessionStore, "locate"> | undefined;
  /** With the token secret. */
  readonly hmac: Hmac | undefined;
}

const YEAR_SECONDS = 366 * 24 * 3600;

const Online = z.strictObject({
  devices: z.array(z.strictObject({
    device: z.string().meta({ description: "Empty when the client named none" }),
    gateway: z.string(),
  })),
});

const NewToken = z.strictObject({
  account: Name,
  seconds: z.int().min(1).max(YEAR_SECONDS).default(24 * 3600).meta({ description: "How long it is valid" }),
});

const Token = z.strictObject({
  token: z.string(),
  expires: z.int().meta({ description: "Unix seconds", example: 1795208576 }),
});

/** Who is online, and login tokens. */
export function accountRoutes({ clock, sessions, hmac }: AccountDeps): Route[] {
  return [
    route({
      method: "GET",
      path: "accounts/:account/online",
      summary: "The devices of an account that are online",
      query: NO_QUERY,
      body: NOTHING,
      status: 200,
      answer: Online,
      async run({ app, account }) {
        if (!sessions) throw missing("it does not know who is online");
        const found = await sessions.locate(app, [account]);
        return { devices: found.map(({ device, gateId }) => ({ device, gateway: gateId })) };
      },
    }),
    route({
      method: "POST",
      path: "tokens",
      summary: "Make a login token for an account",
      about: "Check who it is first: whoever has the token is that account until it expires.",
      query: NO_QUERY,
      body: NewToken,
      status: 201,
      answer: Token,
      async run({ app, body: { account, seconds } }) {
        if (!hmac) throw missing("it has no token secret");
        const expires = Math.floor(clock.now() / 1000) + seconds;
        return { token: makeToken({ acc: account, app, exp: expires }, hmac), expires };
      },
    }),
  ];
}

function missing(why: string): ImError {
  return new ImError("NOT_IMPLEMENTED", `This server cannot do this: ${why}`);
}
