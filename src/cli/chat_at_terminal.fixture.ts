import { FakeClock } from "../base/fake_clock.ts";
import { PetrelClient } from "../sdk/client.ts";
import type { FakeServer } from "../sdk/fake_server.ts";
import type { ClientOptions } from "../sdk/options.ts";
import { ChatGroups } from "./chat_groups.ts";
import { ChatLines, PLAIN, type Where } from "./chat_line.ts";
import { chatTerminal } from "./chat_terminal.ts";
import { FakeTerminal } from "./fake_terminal.fixture.ts";

const BOB = { peer: "bob", group: false };

/** `petrel chat --as ann --to bob` at a terminal. */
export async function chat(server: FakeServer, options: Partial<ClientOptions> = {}, where: Where = BOB) {
  const clock = new FakeClock();
  const connect = server.connect;
  const client = new PetrelClient({ url: "ws://one", token: "ann", connect, clock, random: () => 0.5, ...options });
  const fake = new FakeTerminal(100);
  const groups = new ChatGroups(client);
  const lines = new ChatLines("ann", PLAIN, clock, () => 100, (at) => groups.title(at));
  let note: (text: string) => void = () => {};
  const code = chatTerminal(client, where, lines, groups, fake.terminal, clock, (print) => note = print);
  await fake.settled();
  const shown = () =>
    fake.text.split("\n").filter((line) => !line.startsWith("──")).map((line) => line.replace(/^\d\d:\d\d /, ""));
  return { client, clock, fake, code, shown, note: (text: string) => note(text) };
}
