/** What a test may take that says nothing else: runners' own 5 s are too few for a busy machine. */
export const DEFAULT_TIMEOUT_MS = 20_000;
