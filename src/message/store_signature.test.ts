import { describe, expect, test } from "bun:test";
import { hmacSha256 } from "#runtime";
import { readSignature, SIGNATURE_MS, signRequest, verifyRequest } from "./store_signature.ts";

const hmac = hmacSha256("royal-test-secret");
const NOW = 1795208576205;
const request = { method: "POST", path: "/im/heads", body: new TextEncoder().encode("{}") };
/** proto/WIRE.md "Who may ask". */
const HEADER = "Petrel 1795208576205.kdNlC1GUgxIYC6Sc0XYmLIIjG1D4qrSjCe1DgGwJZqA";

function fits(header: string | undefined, other: Partial<typeof request> = {}, now = NOW): boolean {
  const signature = readSignature(header, now);
  return typeof signature !== "string" && verifyRequest(hmac, signature, { ...request, ...other });
}

describe("a signed request", () => {
  test("is signed as the specification's example", () => {
    expect(signRequest(hmac, NOW, request)).toBe(HEADER);
    expect(fits(HEADER)).toBe(true);
  });

  test("holds for a minute either way", () => {
    for (const off of [-SIGNATURE_MS, SIGNATURE_MS]) expect(fits(HEADER, {}, NOW + off)).toBe(true);
    for (const off of [-SIGNATURE_MS - 1, SIGNATURE_MS + 1]) expect(fits(HEADER, {}, NOW + off)).toBe(false);
  });

  test("is for that method, path, time, body and secret only", () => {
    expect(fits(HEADER, { method: "GET" })).toBe(false);
    expect(fits(HEADER, { path: "/im/heads?" })).toBe(false);
    expect(fits(HEADER, { body: new TextEncoder().encode("{ }") })).toBe(false);
    expect(fits(HEADER.replace("205.", "206."))).toBe(false);
    const other = hmacSha256("royal-test-secreT");
    expect(fits(signRequest(other, NOW, request))).toBe(false);
  });

  test.each([
    undefined,
    "",
    "Petrel",
    "Bearer a",
    HEADER + "A",
    HEADER.slice(0, -1),
    HEADER.replace("Petrel", "petrel"),
    HEADER.replace(".", ","),
  ])(
    "%p is no signature",
    (header) => expect(typeof readSignature(header, NOW)).toBe("string"),
  );
});
