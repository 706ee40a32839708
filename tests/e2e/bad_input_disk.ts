import { expect } from "bun:test";
import { clientFrame, OPCODE } from "../../src/load/frames.ts";
import { encodePacket } from "../../src/load/packet.ts";
import { MessageWriter } from "../../src/load/proto.ts";
import { TRANSPORTS } from "../integration/system_local.ts";
import { type Attack, commands, type Stand } from "./bad_input_stand.ts";

const LIMIT_MS = 15_000;
const TALK = "chat.user.talk";

/** What `/ready` says. */
export async function ready(stand: Stand): Promise<{ status: number; problem: string | undefined }> {
  const response = await fetch(`${stand.system.http}/ready`);
  const { problem } = await response.json() as { problem?: string };
  return { status: response.status, problem };
}

/** Disks that fail for a while. */
export function diskAttacks(attack: Attack): void {
  attack("a full disk is 300 for everybody, and everything goes on once there is room", fullDisk, LIMIT_MS, true);
  attack("a torn batch is 300 for all that is in it, and the next one is fine", tornBatch, LIMIT_MS, true);
  attack("a disk that takes 8 ms more for each sync breaks nothing", slowDisk, LIMIT_MS);
}

async function fullDisk(stand: Stand): Promise<void> {
  const commits = 25;
  const [ann, bob] = await Promise.all(["ann", "bob"].map((role) => stand.login("ws", stand.name(role))));
  await bob!.inbox.index(0n);
  const failed = stand.read(["petrel_store_failed_commits"]);
  await stand.system.inject(Array(commits).fill("sync=full@1").join(","));
  const statuses: number[] = [];
  let stored = 0;
  for (let i = 0; i < 100 && stored < 5; i++) {
    const { status } = await ann!.talk(bob!.account, `${i}`);
    statuses.push(status);
    if (status === 0) stored++;
    else if (i === 0) {
      const { status, problem } = await ready(stand);
      expect({ status, problem }).toEqual({ status: 503, problem: "Cannot store: the disk is full" });
      expect(await bob!.inbox.index(0n)).toEqual([]); // reading goes on
    }
  }
  const refused = statuses.length - stored;
  expect(statuses).toEqual([...Array(refused).fill(300), ...Array(stored).fill(0)]);
  expect(refused).toBeGreaterThan(0);
  expect(stand.read(["petrel_store_failed_commits"]) - failed).toBe(commits);
  expect(await ready(stand)).toEqual({ status: 200, problem: undefined });
  await bob!.until(({ messages }) => messages.length === stored);
  expect(bob!.messages.map(({ body }) => Number(body))).toEqual(Array.from({ length: stored }, (_, i) => refused + i));
  ann!.close();
  bob!.close();
}

async function tornBatch(stand: Stand): Promise<void> {
  for (const on of TRANSPORTS) {
    const [ann, bob] = await Promise.all(["ann", "bob"].map((role) => stand.login(on, stand.name(role))));
    await bob!.inbox.index(0n);
    const batch = (from: number) => {
      const frames = Array.from({ length: 8 }, (_, i) => {
        const body = new MessageWriter().text(2, `${from + i}`).done();
        const packet = encodePacket({ command: TALK, sequence: from + i, dest: bob!.account, body });
        return [...clientFrame(on, OPCODE.BINARY, packet, ann!.conn.maskKey)];
      });
      ann!.raw(Uint8Array.from(frames.flat())); // one write, one read, one batch
      return ann!.until(({ pushes }) => pushes.filter(({ sequence }) => sequence >= from).length === 8);
    };
    const before = stand.read(commands(TALK, "SYSTEM"));
    await stand.system.inject("statement=throw@5");
    await batch(1_000);
    await batch(2_000);
    const status = (from: number) =>
      ann!.pushes.filter((one) => one.sequence >= from && one.sequence < from + 8).map((one) => one.status);
    expect(status(1_000)).toEqual(Array(8).fill(300));
    expect(status(2_000)).toEqual(Array(8).fill(0));
    expect(stand.read(commands(TALK, "SYSTEM")) - before).toBeGreaterThanOrEqual(8);
    await bob!.until(({ messages }) => messages.length === 8);
    expect(bob!.messages.map(({ body }) => Number(body))).toEqual(Array.from({ length: 8 }, (_, i) => 2_000 + i));
    expect((await ready(stand)).status).toBe(200);
    ann!.close();
    bob!.close();
  }
}

async function slowDisk(stand: Stand): Promise<void> {
  const [ann, bob] = await Promise.all(["ann", "bob"].map((role) => stand.login("tcp", stand.name(role))));
  await bob!.inbox.index(0n);
  await stand.system.inject(Array.from({ length: 150 }, (_, i) => `sync=delay:8@${i + 1}`).join(","));
  for (let i = 0; i < 200;) {
    const answers = await Promise.all(Array.from({ length: 4 }, () => ann!.talk(bob!.account, `${i++}`)));
    expect(answers.map(({ status }) => status)).toEqual([0, 0, 0, 0]);
  }
  await bob!.until(({ messages }) => messages.length === 200);
  expect(bob!.messages.map(({ body }) => Number(body))).toEqual(Array.from({ length: 200 }, (_, i) => i));
  ann!.close();
  bob!.close();
}
