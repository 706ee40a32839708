/** A TypeScript source taken apart. Both texts have the length and the line breaks of the source. */
export interface SourceText {
  /** Comments, regular expressions and what is inside quotes are blanks. */
  readonly code: string;
  /** Everything but comments is blanks. */
  readonly comments: string;
}

const BEFORE_REGEXP =
  /(^|[(,=:[!&|?{};+\-*%<>~^]|\b(return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield))\s*$/;

/** Tells code from comments by scanning, without parsing. Template expressions are code. */
export function readSource(text: string): SourceText {
  const code = text.split("");
  const comments = text.replace(/[^\n]/g, " ").split("");
  /** One per open `${`: how many braces are open inside it. */
  const templates: number[] = [];
  let at = text.startsWith("#!") ? comment(0, endOfLine(0)) : 0;
  while (at < text.length) at = step();
  return { code: code.join(""), comments: comments.join("") };

  function step(): number {
    const char = text[at]!;
    switch (char) {
      case '"':
      case "'":
        return quoted(at + 1, char);
      case "`":
        return template(at + 1);
      case "{":
        if (templates.length > 0) templates[templates.length - 1]!++;
        return at + 1;
      case "}":
        if (templates.length === 0 || --templates[templates.length - 1]! >= 0) return at + 1;
        templates.pop();
        return template(at + 1);
      case "/":
        if (text[at + 1] === "/") return comment(at, endOfLine(at));
        if (text[at + 1] === "*") return comment(at, end(text.indexOf("*/", at + 2), 2));
        return BEFORE_REGEXP.test(code.slice(Math.max(0, at - 40), at).join("")) ? regexp(at + 1) : at + 1;
      default:
        return at + 1;
    }
  }

  function quoted(from: number, quote: string): number {
    let to = from;
    while (to < text.length && text[to] !== quote && text[to] !== "\n") to += text[to] === "\\" ? 2 : 1;
    blank(from, to);
    return to + 1;
  }

  function template(from: number): number {
    let to = from;
    while (to < text.length && text[to] !== "`" && !text.startsWith("${", to)) to += text[to] === "\\" ? 2 : 1;
    blank(from, to);
    if (text[to] !== "$") return to + 1;
    templates.push(0);
    return to + 2;
  }

  function regexp(from: number): number {
    let to = from;
    let inClass = false;
    for (; to < text.length && text[to] !== "\n" && (inClass || text[to] !== "/"); to += text[to] === "\\" ? 2 : 1) {
      if (text[to] === "[") inClass = true;
      if (text[to] === "]") inClass = false;
    }
    blank(from, to);
    return to + 1;
  }

  function comment(from: number, to: number): number {
    for (let i = from; i < to; i++) comments[i] = text[i]!;
    blank(from, to);
    return to;
  }

  function blank(from: number, to: number): void {
    for (let i = from; i < to && i < code.length; i++) if (code[i] !== "\n") code[i] = " ";
  }

  function endOfLine(from: number): number {
    return end(text.indexOf("\n", from), 0);
  }

  function end(found: number, more: number): number {
    return found < 0 ? text.length : found + more;
  }
}

/** Lines count from 1. */
export function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let i = 0; i < offset; i++) if (text[i] === "\n") line++;
  return line;
}
