import type { ListenAt } from "../comm/ports.ts";
import { setting } from "./setting.ts";

/** TLS on every port of a process. */
export const TLS_SETTINGS = {
  tlsCert: setting(
    { value: "file", help: "Serves HTTPS, wss and TLS on TCP with this certificate (PEM, its chain behind it)" },
    "a file",
    (text) => text || undefined,
  ),
  tlsKey: setting(
    { value: "file", help: "The certificate's key (PEM, not encrypted); both files are read again when they change" },
    "a file",
    (text) => text || undefined,
  ),
} as const;

/** What is wrong with them together: the setting to blame, and why. */
export function tlsProblem(
  { tlsCert, tlsKey }: { tlsCert: string | undefined; tlsKey: string | undefined },
  places: readonly ListenAt[],
): [string, string] | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined) return ["tlsKey", "it needs the certificate too: PETREL_TLS_CERT"];
  if (tlsKey === undefined) return ["tlsCert", "it needs its key too: PETREL_TLS_KEY"];
  if (places.some((at) => at.unix === undefined)) return undefined;
  return ["tlsCert", "nothing would use it: unix sockets have no TLS"];
}
