/** Runs a command; resolves with the exit code: 0 all right, 1 failed, 2 the command line cannot be used. */
export type CommandMain = (args: string[]) => Promise<number>;
