/** Runs a command and gives its exit code with what it printed, one line per call. */
export async function printed(run: () => Promise<number>): Promise<{ code: number; out: string; err: string }> {
  const { log, error } = console;
  const out: string[] = [];
  const err: string[] = [];
  console.log = (text: unknown) => void out.push(String(text));
  console.error = (text: unknown) => void err.push(String(text));
  try {
    const code = await run();
    return { code, out: out.join("\n"), err: err.join("\n") };
  } finally {
    console.log = log;
    console.error = error;
  }
}
