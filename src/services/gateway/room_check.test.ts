import { expect, test } from "bun:test";
import { decodeBody, encodeBody } from "../../protocol/bodies.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { GROUP, RoomsBench } from "./rooms_bench.fixture.ts";

const OTHER = "g4wmc1rcz2m9";

/** Two chat servers; ann and an old client are in a room, and all is quiet. */
function quiet() {
  const bench = new RoomsBench({}, ["chat1", "chat2"]);
  const [ann, old] = [bench.client("ann", true), bench.client("old", false)];
  bench.settle();
  return { bench, ann, old };
}

test("who came in, or left, while the change was lost with a chat server is put right when its link is found lost", () => {
  const { bench, ann, old } = quiet();
  bench.store("bob", "", OTHER); // before they joined
  for (const account of ["ann", "old"]) {
    bench.member(account, false, 0);
    bench.member(account, true, 1, OTHER);
  }
  bench.store("bob", "", OTHER);
  bench.links.get("chat2")!.link.cut();
  bench.settle(1_000);
  expect(ann.seqs(OTHER)).toEqual([2]);
  bench.tell(bench.store("bob", "", OTHER), OTHER);
  bench.tell(bench.store());
  bench.settle();
  expect(ann.seqs(OTHER)).toEqual([2, 3]);
  expect(ann.seqs()).toEqual([]);
  expect(bench.gateway.rooms.groupsOf(old.channel)).toEqual([OTHER]);
  expect(bench.metrics.read("petrel_rooms_corrected_total")).toBe(2);
});

test("an answer that a change has overtaken is not used; it is asked again", () => {
  const { bench, ann } = quiet();
  bench.links.get("chat2")!.link.cut();
  bench.clock.advance(100);
  const [asked] = bench.asked("im.room.check");
  const stale = encodeBody(pkt.RoomCheckResp, {
    results: [{ item: 0, rooms: [{ groupId: OTHER, joinedSeq: 0, head: 0 }] }],
  });
  bench.change(ann, true, 0, "g4wmc1rcz2ma");
  bench.reply(asked!, 0, 0, stale);
  expect(bench.gateway.rooms.groupsOf(ann.channel)).toEqual([GROUP, "g4wmc1rcz2ma"]);
  bench.clock.advance(100);
  expect(bench.asked("im.room.check").length).toBe(2);
});

test("a hundred are asked for at once, one question after the other, and again when it failed", () => {
  const bench = new RoomsBench({}, ["chat1", "chat2"]);
  for (let i = 0; i < 250; i++) bench.client(`user${i}`, true);
  bench.settle();
  bench.links.get("chat2")!.link.cut();
  const sizes = () => bench.asked("im.room.check").map(({ body }) => decodeBody(pkt.RoomCheckReq, body).items.length);
  bench.clock.advance(1_000);
  expect(sizes()).toEqual([100]);
  bench.reply(bench.asked("im.room.check")[0]!, 0, 302);
  for (let i = 1; i < 4; i++) {
    bench.clock.advance(100);
    bench.reply(bench.asked("im.room.check")[i]!);
  }
  bench.clock.advance(1_000);
  expect(sizes()).toEqual([100, 100, 100, 50]);
});
