/**
 * The assertions of `@std/assert` that the tests use, with its signatures, on `node:assert`.
 *
 * The three runtimes resolve `@std/assert` to this file; `deno task test:jsr` swaps the real one in.
 *
 * @module
 */

import nodeAssert, { AssertionError } from "node:assert/strict";
import { inspect } from "node:util";

type ErrorClass<E> = abstract new (...args: never[]) => E;

/** Fails with `message`, shown at the caller. */
function raise(message: string, msg?: string): never {
  throw new AssertionError({
    message: msg === undefined || msg === "" ? message : `${message}: ${msg}`,
  });
}

function show(value: unknown): string {
  return inspect(value, { depth: 8, maxArrayLength: 64 });
}

/** Asserts that `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError({ message: msg });
}

/** Asserts that `expr` is falsy. */
export function assertFalse(
  expr: unknown,
  msg = "",
): asserts expr is false | 0 | "" | null | undefined {
  if (expr) {
    throw new AssertionError({ message: msg || `Expected a falsy value, got ${show(expr)}` });
  }
}

/** Asserts deep equality of values, own properties (present ones alone equal `undefined` ones never) and types. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  try {
    nodeAssert.deepStrictEqual(actual, expected);
  } catch (error) {
    // The runtimes' own messages hide the difference when a message is passed along.
    if (msg !== undefined && error instanceof Error) error.message = `${msg}\n${error.message}`;
    throw error;
  }
}

/** Asserts that `assertEquals` would fail. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  try {
    nodeAssert.deepStrictEqual(actual, expected);
  } catch {
    return;
  }
  raise(`Expected values to differ, both are ${show(actual)}`, msg);
}

/** Asserts identity, as `Object.is` sees it. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (!Object.is(actual, expected)) {
    raise(`Expected ${show(actual)} to be strictly equal to ${show(expected)}`, msg);
  }
}

/** Asserts that two values are not identical. */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void {
  if (Object.is(actual, expected)) raise(`Expected something other than ${show(expected)}`, msg);
}

/** Asserts that `actual` is neither `undefined` nor `null`. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) raise(`Expected a value, got ${actual}`, msg);
}

/** Asserts that `actual` is an instance of `expectedType`. */
export function assertInstanceOf<T>(
  actual: unknown,
  expectedType: ErrorClass<T>,
  msg?: string,
): asserts actual is T {
  if (!(actual instanceof expectedType)) {
    raise(`Expected an instance of ${expectedType.name}, got ${show(actual)}`, msg);
  }
}

/** Asserts that `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (!actual.includes(expected)) {
    raise(`Expected ${show(actual)} to include ${show(expected)}`, msg);
  }
}

/** Asserts that `expected` matches `actual`. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (!expected.test(actual)) raise(`Expected ${show(actual)} to match ${expected}`, msg);
}

/** Asserts that `expected` does not match `actual`. */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void {
  if (expected.test(actual)) raise(`Expected ${show(actual)} not to match ${expected}`, msg);
}

/** Asserts that two numbers are within `tolerance`, 1e-7 of `expected` by default. */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void {
  if (Object.is(actual, expected)) return;
  const allowed = tolerance ?? (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  // Negated, so that NaN fails.
  if (!(Math.abs(expected - actual) <= allowed)) {
    raise(`Expected ${actual} to be within ${allowed} of ${expected}`, msg);
  }
}

/** Asserts `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) raise(`Expected ${show(actual)} > ${show(expected)}`, msg);
}

/** Asserts `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual >= expected)) raise(`Expected ${show(actual)} >= ${show(expected)}`, msg);
}

/** Asserts `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) raise(`Expected ${show(actual)} < ${show(expected)}`, msg);
}

/** Asserts `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual <= expected)) raise(`Expected ${show(actual)} <= ${show(expected)}`, msg);
}

/** Checks what was thrown against the class and the text that were asked for. */
function checkError(
  error: unknown,
  type?: ErrorClass<unknown>,
  includes?: string,
  msg?: string,
): void {
  if (type === undefined) return;
  if (!(error instanceof Error)) raise(`Expected an Error, got ${show(error)}`, msg);
  if (!(error instanceof type)) {
    raise(`Expected an error of class ${type.name}, got ${error.name}: "${error.message}"`, msg);
  }
  if (includes !== undefined && !error.message.includes(includes)) {
    raise(`Expected the error message to include "${includes}", got "${error.message}"`, msg);
  }
}

/** Asserts that `fn` throws and returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Asserts that `fn` throws an error of a class, with a text in its message, and returns it. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  classOrMsg?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  const type = typeof classOrMsg === "string" ? undefined : classOrMsg;
  const text = typeof classOrMsg === "string" ? classOrMsg : msg;
  try {
    fn();
  } catch (error) {
    checkError(error, type, msgIncludes, text);
    return error;
  }
  raise("Expected the function to throw", text);
}

/** Asserts that the promise of `fn` rejects, and resolves to the reason. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Asserts that the promise of `fn` rejects with an error of a class, and resolves to it. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  const type = typeof classOrMsg === "string" ? undefined : classOrMsg;
  const text = typeof classOrMsg === "string" ? classOrMsg : msg;
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (error) {
    raise(`Expected a rejected promise, but the function threw ${show(error)}`, text);
  }
  try {
    await promise;
  } catch (error) {
    checkError(error, type, msgIncludes, text);
    return error;
  }
  raise("Expected the promise to reject", text);
}

/** Fails. */
export function fail(msg?: string): never {
  raise("Failed", msg);
}

/** Fails where control must never arrive. */
export function unreachable(reason?: string): never {
  raise("Unreachable", reason);
}
