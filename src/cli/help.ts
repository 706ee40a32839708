/** What the overview needs of a command. */
interface CommandLine {
  readonly name: string;
  readonly what: string;
}

/** What `petrel help` prints. */
export function overview(commands: readonly CommandLine[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length)) + 3;
  return [
    "Petrel: a durable instant-messaging server.",
    "",
    "Usage: petrel <command> [options]",
    "",
    ...commands.map(({ name, what }) => `  ${name.padEnd(width)}${what}`),
    "",
    "petrel <command> --help shows the options of a command.",
    "New here? Start `petrel dev` and paste the two chat commands it prints into two more terminals.",
  ].join("\n");
}
