import type { TlsSource } from "../../comm/ports.ts";

/** What a runtime binds: one address, or one unix socket. */
export type Place =
  | {
    readonly hostname: string;
    readonly port: number;
    readonly reusePort: boolean;
    readonly tls?: TlsSource | undefined;
  }
  | {
    readonly unix: string;
    /** When it is bound another time: puts it where the first one was met, unless another process is there. */
    readonly put: () => Promise<void>;
    readonly tls?: undefined;
  };

/** One bound address. */
export interface Bound {
  /** 0 on a unix socket. */
  readonly port: number;
  stopAccepting(): void;
  /** Also drops the open connections. */
  dispose(): Promise<void>;
}

/** Binds one place. Rejects with the system's error, `code` and all. */
export type Bind = (place: Place) => Promise<Bound>;

/** `EADDRINUSE` and its kind; "" for errors that have none. */
export function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
}
