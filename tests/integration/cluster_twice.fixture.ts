/**
 * Run by cluster.test.ts: a whole cluster starts and stops twice in this process, with people on it, then nothing is left
 * that would keep the process alive. It never calls exit. Argument: an empty folder.
 */
import process from "node:process";
import { descriptors, leaked } from "../support/descriptors.ts";
import { LocalCluster } from "../support/local_cluster.ts";

const folder = process.argv[2]!;

/** Talks across gateways, leaves two clients connected, and stops the cluster under them. */
async function use(): Promise<number> {
  const cluster = await LocalCluster.start(folder);
  const [ann, bob] = [await cluster.login("ann", 0), await cluster.login("bob", 2)];
  const stored = (await bob.inbox.readIndex(0n, true)).length; // by the use before
  await ann.talk("bob", "hello");
  await bob.until(({ messages }) => messages.length === 1);
  await cluster[Symbol.asyncDispose]();
  await Promise.all([ann.ended, bob.ended]);
  return stored;
}

const stored = [await use()];
const before = await descriptors();
stored.push(await use());
console.log(`result ${JSON.stringify({ stored, leaked: await leaked(before) })}`);
