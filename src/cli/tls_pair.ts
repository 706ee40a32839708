import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { ImError, reasonOf } from "../base/errors.ts";
import type { TlsPair } from "../comm/ports.ts";

/** Paths of a certificate, its chain behind it, and its key. */
export interface TlsPaths {
  readonly cert: string;
  readonly key: string;
}

/** A pair that can be used, and until when. */
export interface CheckedPair extends TlsPair {
  /** Epoch ms. */
  readonly notAfterMs: number;
}

/**
 * Checks what two files hold. @throws {ImError} CONFIG, naming the file and what to do: not PEM, damaged, encrypted, the
 * key of another certificate, expired, not yet valid, or refused by the runtime's TLS.
 */
export function checkPair({ cert, key }: TlsPair, paths: TlsPaths, nowMs: number): CheckedPair {
  const certificate = readCertificate(cert, paths.cert);
  const privateKey = readKey(key, paths.key);
  const refuse = (why: string, cause?: unknown) => {
    throw new ImError("CONFIG", `Cannot use certificate ${paths.cert}: ${why}`, { cause });
  };
  if (!certificate.checkPrivateKey(privateKey)) refuse(`${paths.key} is the key of another certificate`);
  const [from, until] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  if (until <= nowMs) refuse(`it expired on ${certificate.validTo}; every client would refuse it. Renew it`);
  if (from > nowMs) refuse(`it is not valid before ${certificate.validFrom}. Is this machine's clock right?`);
  try {
    createSecureContext({ cert, key });
  } catch (thrown) {
    refuse(`the runtime refuses it: ${reasonOf(thrown)}`, thrown);
  }
  return { cert, key, notAfterMs: until };
}

function readCertificate(pem: string, path: string): X509Certificate {
  const begins = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/;
  if (!begins.test(pem)) throw notPem("certificate", path, "CERTIFICATE", pem);
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new ImError("CONFIG", `Cannot read certificate ${path}: it is damaged`, { cause });
  }
}

function readKey(pem: string, path: string): KeyObject {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem)) {
    const how = `openssl pkey -in ${path} -out plain.key`;
    throw new ImError("CONFIG", `Cannot read key ${path}: it is encrypted. Take its passphrase off: ${how}`);
  }
  if (!/-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/.test(pem)) throw notPem("key", path, "PRIVATE KEY", pem);
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new ImError("CONFIG", `Cannot read key ${path}: it is damaged`, { cause });
  }
}

function notPem(what: string, path: string, words: string, pem: string): ImError {
  const found = /-----BEGIN ([A-Z0-9 ]{1,40})-----/.exec(pem)?.[1];
  const other = found === undefined ? "it is not PEM" : `it is a ${found}`;
  return new ImError("CONFIG", `Cannot read ${what} ${path}: ${other}, expected -----BEGIN ${words}-----`);
}
