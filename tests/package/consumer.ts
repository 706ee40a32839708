// A program as someone who installed the package would write it; scripts/check_package.ts checks its types and runs it.
import { ImError, type Message, PetrelClient, type Receipt } from "petrel";
import { msgpack } from "petrel/msgpack";
import { BASIC, type Command, commandOf, decodePacket, encodeBasic, LIMITS } from "petrel/protocol";

/** Sends from one account to the other; gives what the other was handed. */
export async function chat(url: string, tokens: { ann: string; bob: string }, text: string): Promise<Message> {
  const ann = new PetrelClient({ url, token: tokens.ann });
  const bob = new PetrelClient({ url, token: () => Promise.resolve(tokens.bob), content: msgpack });
  const handed = new Promise<Message>((resolve) => {
    bob.onMessage((message) => {
      if (message.body === text) resolve(message);
    });
  });
  try {
    await Promise.all([ann.login(), bob.login()]);
    const receipt: Receipt = await ann.talk("bob", text).done;
    const message = await handed;
    if (message.messageId === receipt.messageId) return message;
    throw new Error(`sent ${receipt.messageId}, handed over ${message.messageId}`);
  } finally {
    await Promise.all([ann.close(), bob.close()]);
  }
}

/** The code of the error that an illegal address ends with. */
export function refusal(): string {
  try {
    new PetrelClient({ url: "no address", token: "" });
  } catch (error) {
    if (error instanceof ImError) return error.code;
  }
  return "none";
}

/** A ping through the wire protocol and back. */
export function ping(): number {
  const packet = decodePacket(encodeBasic(BASIC.PING), LIMITS.client);
  return "code" in packet ? packet.code : 0;
}

export const talk: Command | undefined = commandOf("chat.user.talk");
