/** Errors of the component. @module */

import { CoAPError } from "../errors.ts";

/** What went wrong as the library's error; what has no number keeps its message, with code 0. */
export function toError(reason: unknown): CoAPError {
  if (reason instanceof CoAPError) return reason;
  const text = reason instanceof Error ? reason.message : String(reason);
  return new CoAPError("transport", text, { cause: reason });
}
