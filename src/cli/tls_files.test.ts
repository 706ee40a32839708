import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { expect, test } from "bun:test";
import { FakeClock } from "../base/fake_clock.ts";
import { Metrics } from "../base/metrics.ts";
import { type CertificateName, pairOf, tlsFile } from "../../tests/support/certificates.ts";
import { type TempDir, tempDir } from "../../tests/support/temp.ts";
import { TlsFiles } from "./tls_files.ts";

const DAY_MS = 24 * 3600 * 1000;

/** Two files and who watches them. */
class Stand implements AsyncDisposable {
  readonly clock: FakeClock;
  readonly metrics = new Metrics();
  readonly lines: string[] = [];
  readonly dir: TempDir;
  files!: TlsFiles;
  changes = 0;

  constructor(dir: TempDir, startMs: number) {
    this.dir = dir;
    this.clock = new FakeClock(startMs);
  }

  static async prepare(startMs = Date.UTC(2026, 5)): Promise<Stand> {
    const stand = new Stand(await tempDir(), startMs);
    stand.put("first");
    return stand;
  }

  static async open(startMs?: number): Promise<Stand> {
    const stand = await Stand.prepare(startMs);
    await stand.open();
    return stand;
  }

  get paths() {
    return { cert: this.dir.in("x.crt"), key: this.dir.in("x.key") };
  }

  put(cert: CertificateName, key: CertificateName | "encrypted" = cert): void {
    copyFileSync(tlsFile(`${cert}.crt`), this.paths.cert);
    copyFileSync(tlsFile(`${key}.key`), this.paths.key);
  }

  async open(): Promise<void> {
    const say = (level: string) => (message: string, fields: object = {}) =>
      void this.lines.push(`${level} ${message} ${JSON.stringify(fields).replaceAll(this.dir.path, "")}`);
    const log = { debug() {}, info: say("info"), warn: say("warn"), error: say("error"), child: () => log };
    this.files = await TlsFiles.open(this.paths, { clock: this.clock, log, metrics: this.metrics });
    this.files.onChange(() => this.changes++);
  }

  /** So many looks at the files. */
  async look(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      this.clock.advance(2_000);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.files?.[Symbol.dispose]();
    await this.dir[Symbol.asyncDispose]();
  }
}

const problem = async (prepare: (stand: Stand) => void, startMs?: number) => {
  await using stand = await Stand.prepare(startMs);
  prepare(stand);
  try {
    await stand.open();
    return "opened";
  } catch (thrown) {
    return (thrown as Error).message.replaceAll(stand.dir.path, "");
  }
};

test.each<[string, (stand: Stand) => void, string | RegExp]>([
  ["no certificate", ({ paths }) => rmSync(paths.cert), "Cannot read certificate /x.crt: there is no such file"],
  ["no key", ({ paths }) => rmSync(paths.key), "Cannot read key /x.key: there is no such file"],
  ["a folder", ({ paths }) => {
    rmSync(paths.key);
    mkdirSync(paths.key);
  }, /^Cannot read key \/x\.key: it is a folder$/],
  [
    "another's key",
    (stand) => stand.put("first", "second"),
    "Cannot use certificate /x.crt: /x.key is the key of another certificate",
  ],
  [
    "an encrypted key",
    (stand) => stand.put("first", "encrypted"),
    /^Cannot read key \/x\.key: it is encrypted\. Take its passphrase off: openssl pkey/,
  ],
  [
    "an expired one",
    (stand) => stand.put("expired"),
    /^Cannot use certificate \/x\.crt: it expired on Jan {2}1 00:00:00 2021 GMT/,
  ],
  [
    "one of the future",
    (stand) => stand.put("future"),
    /^Cannot use certificate \/x\.crt: it is not valid before Jan {2}1 00:00:00 2120 GMT/,
  ],
  [
    "no PEM",
    ({ paths }) => writeFileSync(paths.cert, new Uint8Array([0x30, 0x82])),
    "Cannot read certificate /x.crt: it is not PEM, expected -----BEGIN CERTIFICATE-----",
  ],
  ["the two swapped", ({ paths }) => {
    copyFileSync(tlsFile("first.key"), paths.cert);
    copyFileSync(tlsFile("first.crt"), paths.key);
  }, "Cannot read certificate /x.crt: it is a PRIVATE KEY, expected -----BEGIN CERTIFICATE-----"],
  [
    "an empty key",
    ({ paths }) => writeFileSync(paths.key, ""),
    "Cannot read key /x.key: it is not PEM, expected -----BEGIN PRIVATE KEY-----",
  ],
  [
    "a cut certificate",
    ({ paths }) => writeFileSync(paths.cert, pairOf("first").cert.slice(0, 200)),
    "Cannot read certificate /x.crt: it is damaged",
  ],
  [
    "a cut key",
    ({ paths }) => writeFileSync(paths.key, pairOf("first").key.slice(0, 100)),
    "Cannot read key /x.key: it is damaged",
  ],
  [
    "2 MiB",
    ({ paths }) => writeFileSync(paths.key, new Uint8Array(2 << 20)),
    "Cannot read key /x.key: it has 2097152 bytes, which no certificate or key needs",
  ],
])("%s is refused with a reason", async (_name, prepare, expected) => {
  const found = await problem(prepare);
  if (typeof expected === "string") expect(found).toBe(expected);
  else expect(found).toMatch(expected);
});

// Skipped for root, who may read everything.
test.skipIf(process.getuid?.() === 0)("a file that may not be read is refused", async () => {
  expect(await problem(({ paths }) => chmodSync(paths.key, 0))).toBe(
    "Cannot read key /x.key: this process may not read it",
  );
});

test("replaced files are taken once they have settled, and told once", async () => {
  await using stand = await Stand.open();
  await stand.look(3);
  expect(stand.changes).toBe(0);
  stand.put("second");
  await stand.look(1);
  expect(stand.changes).toBe(0);
  await stand.look(3);
  expect(stand.changes).toBe(1);
  expect(stand.files.pair).toMatchObject(pairOf("second"));
  expect(stand.lines.map((line) => line.split(" {")[0])).toEqual(["info certificate replaced"]);
});

test("a half replaced pair is reported once and the old one stays; its other half completes it", async () => {
  await using stand = await Stand.open();
  stand.put("second", "first");
  await stand.look(5);
  expect([stand.changes, stand.files.pair.cert]).toEqual([0, pairOf("first").cert]);
  expect(stand.lines).toEqual([
    'warn the new certificate cannot be used, the old one stays {"problem":"Cannot use certificate /x.crt: /x.key is the key of another certificate"}',
  ]);
  stand.put("second");
  await stand.look(3);
  expect([stand.changes, stand.files.pair.cert]).toEqual([1, pairOf("second").cert]);
});

test("files that vanish, break or expire leave the old pair in use, and their return is no change", async () => {
  await using stand = await Stand.open();
  rmSync(stand.paths.cert);
  await stand.look(4);
  writeFileSync(stand.paths.cert, "junk");
  await stand.look(4);
  stand.put("expired");
  await stand.look(4);
  stand.put("first");
  await stand.look(4);
  expect([stand.changes, stand.files.pair.cert]).toEqual([0, readFileSync(stand.paths.cert, "utf8")]);
  expect(stand.lines.map((line) => line.slice(0, 8))).toEqual(["warn the", "warn the", "warn the"]);
});

test("days left are a gauge; from 14 on they are a warning a day, then an error", async () => {
  await using stand = await Stand.open(Date.UTC(2126, 0, 1) - 15.5 * DAY_MS);
  expect(stand.metrics.read("petrel_tls_days_left")).toBe(15.5);
  expect(stand.lines).toEqual([]);
  for (let day = 0; day < 17; day++) stand.clock.advance(DAY_MS);
  expect(stand.metrics.read("petrel_tls_days_left")).toBe(-1.5);
  expect(stand.lines.map((line) => line.slice(0, 9))).toEqual([
    ...new Array(14).fill("warn the "),
    ...new Array(2).fill("error the"),
  ]);
  expect(stand.lines[0]).toBe('warn the certificate expires soon {"file":"/x.crt","daysLeft":13}');
});
