const COLOR = { debug: 90, info: 32, warn: 33, error: 31 } as const;
const QUIET = 90;

/**
 * A line of JSON from the log, made readable: `12:00:00.123 warn  the message  name=value`, and below it the stacks of
 * errors, except of those that a warning tells and that have a code: their words say what there is to know. What is no JSON
 * is given back as it is.
 */
export function readableLine(json: string, colors: boolean): string {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(json);
  } catch {
    return json; // better to show it than to lose it
  }
  const { time, level, msg, ...fields } = record;
  const paint = (code: number, text: string) => colors && text ? `\x1b[${code}m${text}\x1b[0m` : text;
  const stacks: string[] = [];
  const facts = Object.entries(fields).map(([name, value]) => {
    if (isError(value) && !(level === "warn" && "code" in value)) stacks.push(...stackLines(value));
    return `  ${paint(QUIET, `${name}=`)}${isError(value) ? value.message : show(value)}`;
  });
  const word = String(level);
  const color = COLOR[word as keyof typeof COLOR] ?? QUIET;
  const head = `${paint(QUIET, clockTime(time))} ${paint(color, word.padEnd(5))} ${String(msg ?? "")}`;
  return `${[head + facts.join(""), ...stacks.map((line) => paint(QUIET, line))].join("\n")}\n`;
}

interface LoggedError {
  readonly message: string;
  readonly stack: string;
  readonly cause?: unknown;
}

function isError(value: unknown): value is LoggedError {
  return typeof value === "object" && value !== null && "stack" in value && "message" in value &&
    typeof value.stack === "string" && typeof value.message === "string";
}

function stackLines(error: LoggedError, prefix = ""): string[] {
  const own = (prefix + error.stack).split("\n").map((line) => `    ${line}`);
  if (error.cause === undefined) return own;
  return [...own, ...(isError(error.cause) ? stackLines(error.cause, "Cause: ") : [`    Cause: ${show(error.cause)}`])];
}

/** Words stand bare; what has spaces or quotes in it is quoted. */
function show(value: unknown): string {
  return typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}

/** The time of day where the process runs. */
function clockTime(time: unknown): string {
  const at = new Date(String(time));
  const two = (n: number) => String(n).padStart(2, "0");
  const ms = String(at.getMilliseconds()).padStart(3, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`;
}
