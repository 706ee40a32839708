/**
 * Run by store_crash.sync.test.ts: `<directory> <flag>`. Stores one message, makes syncs fail by making the file
 * `flag`, stores another, and writes what it was told. Waits to be killed.
 */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { ImError } from "../../src/base/errors.ts";
import { openSqliteStore } from "../../src/message/sqlite.ts";
import { talk } from "../contract/message_talk.ts";

const [directory = "", flag = ""] = process.argv.slice(2);
const store = await openSqliteStore({ directory, faults: process.env["PETREL_FAULT"] });
void store.failed.then(() => console.log("failed"));
await store.append([talk("ann", "bob", { body: "before" })]);
writeFileSync(flag, "");
void store.append([talk("ann", "bob", { body: "while the disk fails" })]).then(async ([result]) => {
  console.log(result instanceof ImError ? `refused ${result.code}` : "stored");
  const [later] = await store.append([talk("ann", "bob", { body: "later" })]);
  console.log(later instanceof ImError ? `later ${later.code}` : "later stored", store.health().writable);
});
setInterval(() => {}, 1_000);
