import { describe, expect, test } from "bun:test";
import { GroupRun, Member } from "./group_run.ts";
import { encodePacket, FLAG } from "./packet.ts";
import { MessageWriter } from "./proto.ts";
import { SEQUENCE, TalkTemplate } from "./talk_template.ts";
import type { WireConn } from "./wire_conn.ts";
import { decodePacket } from "./packet.ts";

const BODY = 32;

/** A run of two senders and a listener whose packets are made by hand. */
function bench() {
  const run = new GroupRun({ rate: 0, window: 3, bodyBytes: BODY, warmupUs: 0, endUs: 1e9 }, 2);
  const out: Uint8Array[] = [];
  const conn = {
    transport: "tcp",
    maskKey: new Uint8Array(4),
    write: (bytes: Uint8Array) => void out.push(bytes.slice(5)),
  };
  for (let i = 0; i < 3; i++) {
    const member = new Member(run, i, i === 2);
    member.conn = conn as unknown as WireConn;
    member.ready(new TalkTemplate(member.conn, "group", i, BODY, "chat.group.talk"));
    run.members.push(member);
  }
  run.start();
  const sent = out.map((bytes) => decodePacket(bytes)!);
  const answer = (sender: number, counter: number, status = 0) => {
    const sequence = SEQUENCE.FIRST + counter;
    const bytes = encodePacket({ command: "chat.group.talk", sequence, flag: FLAG.RESPONSE, status });
    run.members[sender]!.packet(bytes, 0, bytes.length);
  };
  /** Message `counter` of a sender reaches a member. */
  const push = (sender: number, counter: number, to: number) => {
    const text = sent[sender * 3 + counter]!.body.slice(4);
    const body = new MessageWriter().int(1, 5).int(2, 1).bytes(3, text).done();
    const bytes = encodePacket({ command: "chat.group.talk", flag: FLAG.PUSH, dest: "group", body });
    run.members[to]!.packet(bytes, 0, bytes.length);
  };
  return { run, sent, answer, push };
}

describe("a group run", () => {
  test("sends a window each, and is settled when all are answered and everybody has everything", () => {
    const { run, sent, answer, push } = bench();
    expect(sent.map(({ command, dest }) => `${command} ${dest}`)).toEqual(new Array(6).fill("chat.group.talk group"));
    for (const sender of [0, 1]) {
      for (const counter of [0, 1, 2]) {
        for (const to of [0, 1, 2]) if (to !== sender) push(sender, counter, to);
        expect(run.settled).toBe(false);
        answer(sender, counter);
      }
    }
    expect(run.settled).toBe(true);
    expect([run.lost, run.deliveries.delivered, run.phantom, run.stray]).toEqual([0, 12, 0, 0]);
    expect([run.sendToPush.count, run.sendToOldPush.count, run.sendToAck.count]).toEqual([6, 6, 6]);
  });

  test("tells what is lost, twice, out of order, phantom, refused, stray", () => {
    const { run, answer, push } = bench();
    for (const counter of [0, 1, 2]) answer(0, counter);
    answer(1, 0, 302);
    answer(1, 0);
    push(0, 0, 1);
    push(0, 2, 1);
    push(0, 1, 1);
    push(0, 0, 2);
    push(0, 0, 2);
    push(0, 0, 0); // to who sent it
    push(1, 0, 2); // refused
    expect(run.lost).toBe(2);
    expect(run.deliveries).toMatchObject({ delivered: 4, duplicates: 1, outOfOrder: 1 });
    expect([run.phantom, run.stray, run.stored, [...run.refused]]).toEqual([2, 1, 3, [[302, 1]]]);
    expect(run.settled).toBe(false);
  });
});
