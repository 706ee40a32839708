const EVERY_MS = 15;
const PATIENCE_MS = 20_000;

/** Asks again and again until the answer is as wanted. @throws with the last answer when that takes too long. */
export async function until<Answer>(
  what: string,
  ask: () => Answer | Promise<Answer>,
  isSo: (answer: Answer) => boolean,
  patienceMs = PATIENCE_MS,
): Promise<Answer> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (isSo(answer)) return answer;
    if (performance.now() > end) throw new Error(`Still not so: ${what}; but ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}
