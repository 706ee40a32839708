import { z } from "zod";
import { fromBase36 } from "../../protocol/base36.ts";
import type * as pkt from "../../protocol/gen/pkt_messages.ts";
import { TEXT } from "../../protocol/limits.ts";
import { codePoints, isName } from "../../protocol/names.ts";

/** A text of at most so many code points. */
export function Text(most: number): z.ZodString {
  return z.string()
    .refine((text) => codePoints(text, most) <= most, `expected at most ${most} characters`)
    .refine((text) => !/\p{Surrogate}/u.test(text), "expected text without lone surrogates")
    .meta({ maxLength: most });
}

/** Name of an account. */
export const Name: z.ZodString = z.string()
  .refine(isName, "expected a name: 1 to 60 characters, no spaces, none of , / | :")
  .meta({ minLength: 1, maxLength: TEXT.name, example: "ann" });

export const GroupId: z.ZodString = z.string()
  .refine((id) => fromBase36(id) !== undefined, "expected a group id")
  .meta({ example: "g4wmc1rcz2m8" });

const INTEGER_ID = "64 bits, as a decimal text";
/** A message id or a time in Unix nanoseconds. */
export const Long: z.ZodString = z.string().regex(/^\d+$/).meta({
  description: INTEGER_ID,
  example: "2123884822469009408",
});

export const Count: z.ZodInt = z.int().min(0).meta({ example: 3 });

/** A whole number from a query. */
export function QueryNumber(least: number, most: number) {
  return z.string().regex(/^\d{1,10}$/, "expected a whole number").transform(Number)
    .refine((number) => number >= least && number <= most, `expected ${least} to ${most}`);
}

export const Message = z.strictObject({
  messageId: Long,
  seq: Count.meta({ description: "Its number in the conversation: 1, 2, 3…" }),
  from: Name,
  type: z.int(),
  body: z.string(),
  extra: z.string(),
  sendTime: Long.meta({ description: "Unix nanoseconds, as a decimal text" }),
  clientMsgId: z.string().optional(),
});

export function messageOf(message: pkt.MessagePush): z.infer<typeof Message> {
  const { messageId, seq, sender: from, type, body, extra, sendTime, clientMsgId } = message;
  const ids = { messageId: String(messageId), seq, from, type, body, extra, sendTime: String(sendTime) };
  return clientMsgId === "" ? ids : { ...ids, clientMsgId };
}
