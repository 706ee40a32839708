/** A statement of postgres.js, as far as this file looks at it. */
interface Statement {
  readonly strings?: readonly string[];
}
type Then = (this: Statement, done?: (value: unknown) => unknown, failed?: (reason: unknown) => unknown) => unknown;
interface StatementKind {
  then: Then & { isQuiet?: true };
}

/**
 * postgres.js asks each new connection for the types of arrays. When that connection is lost just then, the question is
 * rejected where nobody can catch it, which would end the process; the connection itself is replaced as every other. So
 * that one question is never rejected, from the first call on.
 * @param statement any statement of postgres.js: it is not sent, as long as nobody waits for it.
 */
export function neverRejectTypeQuestion(statement: PromiseLike<unknown>): void {
  const kind: StatementKind = Object.getPrototypeOf(statement);
  const { then } = kind;
  if (then.isQuiet) return;
  const quiet: StatementKind["then"] = function (done, failed) {
    const isTypeQuestion = this.strings?.[0]?.includes("left join pg_catalog.pg_type") === true;
    return then.call(this, done, isTypeQuestion ? () => {} : failed);
  };
  quiet.isQuiet = true;
  kind.then = quiet;
}
