/** A tokenizer for TypeScript, as far as the source rules need one. @module */

/** A word, a string or one character of punctuation. Numbers and regular expressions are empty strings. */
export interface Token {
  kind: "word" | "string" | "punctuation";
  /** The word, the string's content or the character. */
  text: string;
  /** Counted from 1. */
  line: number;
}

const WORD = /[\p{ID_Start}$_#@][\p{ID_Continue}$\u200c\u200d]*/uy;
const NUMBER = /\d[\w.]*/y;
const REGEXP = /\/(?![*/])(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/y;

/** Words after which a slash starts a regular expression. */
const BEFORE_REGEXP = new Set(
  "await case delete do else extends in instanceof new of return throw typeof void yield".split(
    " ",
  ),
);

/** Splits a source into tokens, without its comments. Code in the substitutions of a template literal is code. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  /** For each open template substitution, how many braces are open in it. */
  const substitutions: number[] = [];
  let line = 1;
  let at = 0;

  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  const skip = (to: number): void => {
    for (; at < to; at++) if (source[at] === "\n") line++;
  };
  /** Reads a template literal up to its end or its next substitution; `at` is behind the backtick or brace. */
  const template = (): void => {
    const start = at;
    const from = line;
    while (at < source.length && source[at] !== "`") {
      if (source[at] === "$" && source[at + 1] === "{") {
        tokens.push({ kind: "string", text: source.slice(start, at), line: from });
        substitutions.push(0);
        at += 2;
        return;
      }
      skip(at + (source[at] === "\\" ? 2 : 1));
    }
    tokens.push({ kind: "string", text: source.slice(start, at), line: from });
    at++;
  };

  if (source.startsWith("#!")) skip(lineEnd(source, 0));
  while (at < source.length) {
    const char = source[at]!;
    const last = tokens.at(-1);
    if (/\s/.test(char)) {
      skip(at + 1);
    } else if (source.startsWith("//", at)) {
      skip(lineEnd(source, at));
    } else if (source.startsWith("/*", at)) {
      const end = source.indexOf("*/", at + 2);
      skip(end === -1 ? source.length : end + 2);
    } else if (char === '"' || char === "'") {
      const start = at++;
      while (at < source.length && source[at] !== char && source[at] !== "\n") {
        skip(at + (source[at] === "\\" ? 2 : 1));
      }
      tokens.push({ kind: "string", text: source.slice(start + 1, at), line });
      at++;
    } else if (char === "`") {
      at++;
      template();
    } else if (char === "}" && substitutions.at(-1) === 0) {
      substitutions.pop();
      at++;
      template();
    } else if (char === "/" && startsRegexp(last) && match(REGEXP) !== undefined) {
      at += match(REGEXP)!.length;
      // It is a value: a slash behind it divides.
      tokens.push({ kind: "string", text: "", line });
    } else if (match(NUMBER) !== undefined) {
      at += match(NUMBER)!.length;
      tokens.push({ kind: "string", text: "", line });
    } else if (match(WORD) !== undefined) {
      const text = match(WORD)!;
      at += text.length;
      tokens.push({ kind: "word", text, line });
    } else {
      const open = substitutions.length - 1;
      if (open >= 0 && char === "{") substitutions[open]!++;
      if (open >= 0 && char === "}") substitutions[open]!--;
      tokens.push({ kind: "punctuation", text: char, line });
      at++;
    }
  }
  return tokens;
}

function lineEnd(source: string, from: number): number {
  const end = source.indexOf("\n", from);
  return end === -1 ? source.length : end;
}

/** Whether a slash behind this token starts a regular expression; otherwise it divides. */
function startsRegexp(last: Token | undefined): boolean {
  if (last === undefined) return true;
  if (last.kind === "word") return BEFORE_REGEXP.has(last.text);
  return last.kind === "punctuation" && last.text !== ")" && last.text !== "]" && last.text !== "}";
}
