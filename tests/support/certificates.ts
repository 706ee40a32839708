import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { TlsPair, TlsSource } from "../../src/comm/ports.ts";

/** The certificates in tests/support/tls: for localhost, 127.0.0.1 and ::1, signed by `ca.crt`. */
export type CertificateName = "first" | "second" | "expired" | "future";

/** The path of a file in tests/support/tls. */
export function tlsFile(name: string): string {
  return fileURLToPath(new URL(`tls/${name}`, import.meta.url));
}

/** Who signed them all. */
export const CA = readFileSync(tlsFile("ca.crt"), "utf8");

export function pairOf(name: CertificateName): TlsPair {
  return { cert: readFileSync(tlsFile(`${name}.crt`), "utf8"), key: readFileSync(tlsFile(`${name}.key`), "utf8") };
}

/** A source that a test can change. */
export interface TestCertificate extends TlsSource {
  change(to: CertificateName): void;
}

export function certificate(first: CertificateName): TestCertificate {
  const listeners = new Set<() => void>();
  let pair = pairOf(first);
  return {
    get pair() {
      return pair;
    },
    onChange(run) {
      listeners.add(run);
      return { [Symbol.dispose]: () => void listeners.delete(run) };
    },
    change(to) {
      pair = pairOf(to);
      for (const run of listeners) run();
    },
  };
}
