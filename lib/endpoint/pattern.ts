/** Patterns of paths, and the tree that finds the one for a path. @module */

/** The names of a pattern's parameters: `"room" | "lamp"` for `/rooms/:room/lamps/:lamp`. */
export type ParamNames<Pattern extends string> = Pattern extends `${infer Head}/${infer Tail}`
  ? ParamNames<Head> | ParamNames<Tail>
  : Pattern extends `:${infer Name}` ? Name
  : never;

/**
 * The parameters of a pattern: a string for each `:name`, and for a final `*` the remaining segments under the key
 * `"*"`.
 *
 * @example Parameters of a pattern
 * ```ts
 * import type { PathParams } from "@x/coap";
 *
 * const params: PathParams<"/rooms/:room/*"> = { room: "kitchen", "*": ["lamps", "2"] };
 * console.log(params.room);
 * ```
 */
export type PathParams<Pattern extends string> = string extends Pattern
  ? Readonly<Record<string, string | readonly string[]>>
  :
    & { readonly [Name in ParamNames<Pattern>]: string }
    & (Pattern extends `${string}/*` ? { readonly "*": readonly string[] }
      : unknown);

/** A pattern taken apart. */
export interface Pattern {
  /** Literal segments, free of percent-encoding; `undefined` stands for a parameter. */
  readonly segments: readonly (string | undefined)[];
  /** Parameters by the index of their segment. */
  readonly names: ReadonlyMap<number, string>;
  /** Whether it ends with `*`. */
  readonly tail: boolean;
}

/**
 * Takes a pattern apart. It is written as a URI's path: percent-encoded where necessary, `%3A` and `%2A` for a segment
 * that really begins with `:` or is `*`.
 *
 * @throws {TypeError} where it is no pattern
 */
export function parsePattern(text: string): Pattern {
  const fail = (why: string): never => {
    throw new TypeError(`Pattern ${why}: "${text}"`);
  };
  if (!text.startsWith("/")) fail(`must begin with "/"`);
  const parts = text === "/" ? [] : text.slice(1).split("/");
  const tail = parts.at(-1) === "*";
  if (tail) parts.pop();
  const names = new Map<number, string>();
  const segments = parts.map((part, index) => {
    if (part.startsWith(":")) {
      const name = part.slice(1);
      if (!/^[A-Za-z_]\w*$/.test(name)) fail(`has a parameter without a proper name`);
      if ([...names.values()].includes(name)) fail(`has two parameters of one name`);
      names.set(index, name);
      return undefined;
    }
    if (part === "*") fail(`may have "*" at its end only`);
    if (part === "." || part === "..") fail("must not have dot segments");
    try {
      return decodeURIComponent(part);
    } catch {
      return fail("is not properly percent-encoded");
    }
  });
  return { segments, names, tail };
}

/** A node of the tree: the segments so far. */
class Node<T> {
  readonly literals = new Map<string, Node<T>>();
  parameter: Node<T> | undefined = undefined;
  /** What stands for exactly these segments. */
  value: T | undefined = undefined;
  /** What stands for these segments with more behind them. */
  tail: T | undefined = undefined;
}

/** Values by pattern. */
export class PatternTree<T> {
  readonly #root = new Node<T>();

  /** The value of a pattern, made where there is none. Names of parameters make no difference. */
  at(pattern: Pattern, make: () => T): T {
    let node = this.#root;
    for (const segment of pattern.segments) {
      if (segment === undefined) node = node.parameter ??= new Node();
      else {
        let next = node.literals.get(segment);
        if (next === undefined) node.literals.set(segment, next = new Node());
        node = next;
      }
    }
    if (pattern.tail) return node.tail ??= make();
    return node.value ??= make();
  }

  /**
   * The value for a path. A literal segment goes before a parameter, a parameter before `*`. A parameter takes any
   * segment that is not empty; `*` takes one segment or more, and `/*` the empty path as well.
   */
  find(path: readonly string[]): T | undefined {
    return find(this.#root, path, 0) ?? (path.length === 0 ? this.#root.tail : undefined);
  }
}

function find<T>(node: Node<T>, path: readonly string[], depth: number): T | undefined {
  if (depth === path.length) return node.value;
  const segment = path[depth]!;
  const literal = node.literals.get(segment);
  if (literal !== undefined) {
    const found = find(literal, path, depth + 1);
    if (found !== undefined) return found;
  }
  if (node.parameter !== undefined && segment !== "") {
    const found = find(node.parameter, path, depth + 1);
    if (found !== undefined) return found;
  }
  return node.tail;
}
