import { expect, test } from "bun:test";
import type { Upward } from "../../src/container/link.ts";
import { decodeBody, encodeBody } from "../../src/protocol/bodies.ts";
import * as pkt from "../../src/protocol/gen/pkt_messages.ts";
import { ClusterStand } from "../support/cluster_stand.ts";
import type { OldClient } from "../support/old_client.ts";
import { until } from "../support/until.ts";

type Verb = "join" | "quit";

async function change(verb: Verb, client: OldClient, groupId: string, account: string): Promise<number> {
  return (await client.request(`chat.group.${verb}`, encodeBody(pkt.GroupJoinReq, { groupId, account }))).header.status;
}

/** The client's server reads its next request of that kind, and then stands still until it is told to go on. */
function pausing(
  at: ClusterStand,
  account: string,
  verb: Verb,
): { readonly gone: () => boolean; goOn(): Promise<void> } {
  const first = at.serverOf(account), place = at.places[first]!, [link] = place.links;
  let held: Upward | undefined;
  at.passesUp = (packet, logic) => {
    if (logic !== first) return true;
    if (held || packet.header.command !== `chat.group.${verb}`) return held === undefined;
    held = packet;
    queueMicrotask(() => link!.cut()); // the gateway heard nothing for too long
    return false;
  };
  return {
    gone: () => held !== undefined && at.serverOf(account) !== first,
    goOn: async () => {
      at.link(first, 0);
      place.logic.up({ ...held!, startBy: Infinity }, link!.downlink); // its wait begins when it is read
      await place.logic.drained();
    },
  };
}

/** Groups of more than two are large. Who does not wait asks for both changes at once. */
const CASES = [false, true].flatMap((waits) => [
  { size: "small", members: [], waits },
  { size: "large", members: ["bob", "cat"], waits },
]);

async function stand(members: readonly string[]) {
  const at = await ClusterStand.start({ gateways: 1, logics: 2 });
  const ann = await at.client("ann", 0, "phone"), dan = await at.client("dan", 0, "phone");
  const texts = { name: "tea", avatar: "", introduction: "" };
  const { id } = await at.store.createGroup({ app: "kim", owner: "ann", ...texts, members, startBy: Infinity });
  return { at, ann, dan, id };
}

function talk(client: OldClient, groupId: string, body: string) {
  return client.request("chat.group.talk", encodeBody(pkt.MessageReq, { type: 1, body }), groupId);
}

/** dan asks for one, then the other; the server that had the first stood still, and goes on when both are answered. */
async function lateFirst(at: ClusterStand, dan: OldClient, id: string, verbs: [Verb, Verb], waits: boolean) {
  const server = pausing(at, "dan", verbs[0]);
  const first = change(verbs[0], dan, id, "dan");
  if (waits) await first;
  expect(await Promise.all([first, change(verbs[1], dan, id, "dan")])).toEqual([0, 0]);
  expect(server.gone()).toBe(true);
  expect(at.metrics.read("petrel_reforwarded_total")).toBe(waits ? 1 : 2);
  await server.goOn();
}

test.each(CASES)(
  "a joining that a paused server comes to after its client has left changes nothing ($size group, waits: $waits)",
  async ({ members, waits }) => {
    const { at, ann, dan, id } = await stand(members);
    await using _ = at;
    await lateFirst(at, dan, id, ["join", "quit"], waits);
    expect(await at.store.isMember("kim", id, "dan")).toBe(false);
    await talk(ann, id, "among us");
    await ann.talk("dan", "hi");
    await until(() => dan.seen.length === 1);
    expect(dan.groups).toEqual([]);
    expect((await talk(dan, id, "me too")).header.status).not.toBe(0);
  },
);

test.each(CASES)(
  "a leaving that a paused server comes to after its client is back changes nothing ($size group, waits: $waits)",
  async ({ members, waits }) => {
    const { at, ann, dan, id } = await stand([...members, "dan"]);
    await using _ = at;
    await lateFirst(at, dan, id, ["quit", "join"], waits);
    expect(await at.store.isMember("kim", id, "dan")).toBe(true);
    const answers = await Promise.all(["1", "2", "3"].map((text) => talk(ann, id, text)));
    const ids = answers.map(({ body }) => decodeBody(pkt.MessageResp, body).messageId);
    await until(() => dan.groups.length === 3);
    expect(dan.groups).toEqual(ids);
  },
);
