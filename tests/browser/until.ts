const EVERY_MS = 30;
const PATIENCE_MS = 20_000;
/** A browser may never answer a question about a database that is being deleted: then it is asked once more. */
const ASK_MS = 5_000;
const MOST_SHOWN = 1_000;

/** Asks again and again until the answer is as wanted. @throws with the last answer when that takes too long. */
export async function until<Answer>(
  what: string,
  ask: () => Answer | Promise<Answer>,
  isSo: (answer: Answer) => boolean,
  patienceMs = PATIENCE_MS,
): Promise<Answer> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const answer = await inTime(ask());
    if (answer !== UNANSWERED && isSo(answer)) return answer;
    if (performance.now() > end) throw new Error(`Still not so: ${what}; but ${shortened(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

const UNANSWERED = "unanswered";

async function inTime<Answer>(answer: Answer | Promise<Answer>): Promise<Answer | typeof UNANSWERED> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<typeof UNANSWERED>((resolve) => timer = setTimeout(() => resolve(UNANSWERED), ASK_MS));
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

function shortened(answer: unknown): string {
  const text = String(JSON.stringify(answer));
  return text.length <= MOST_SHOWN ? text : `${text.slice(0, MOST_SHOWN / 2)} … ${text.slice(-MOST_SHOWN / 2)}`;
}
