/** Errors that the library reports, with their numbers and reasons. @module */

/**
 * Why something failed, as a string to switch on.
 *
 * | reason | code | meaning |
 * | --- | --- | --- |
 * | `invalid-uri` | 700 | the URI is malformed; nothing was sent |
 * | `invalid-option` | 701 | an option value does not fit the option's format or length |
 * | `blockwise` | 702 | a blockwise transfer could not be completed |
 * | `malformed-message` | 703 | bytes that are no CoAP message |
 * | `timeout` | 704 | no answer in time, or retransmission gave up |
 * | `refused` | 705 | the host refused (ICMP, TCP reset, Abort) |
 * | `unknown-request` | 706 | an id that is not pending |
 * | `invalid-code` | 707 | a code that can not be sent there |
 * | `reset` | 708 | the peer answered with a Reset |
 * | `error-response` | 709 | a response outside 2.xx |
 * | `not-observed` | 710 | no such observation, or the server does not observe |
 * | `canceled` | 711 | canceled by the caller |
 * | `wrong-mode` | 712 | not possible in this state |
 * | others | 0 | what the numbers do not name |
 */
export type CoAPErrorReason =
  | "invalid-uri"
  | "invalid-option"
  | "blockwise"
  | "malformed-message"
  | "timeout"
  | "refused"
  | "unknown-request"
  | "invalid-code"
  | "reset"
  | "error-response"
  | "not-observed"
  | "canceled"
  | "wrong-mode"
  | "closed"
  | "limit"
  | "message-ids"
  | "name-resolution"
  | "transport"
  | "unsupported-scheme"
  | "rejected-response";

const CODES: Record<CoAPErrorReason, number> = {
  "invalid-uri": 700,
  "invalid-option": 701,
  "blockwise": 702,
  "malformed-message": 703,
  "timeout": 704,
  "refused": 705,
  "unknown-request": 706,
  "invalid-code": 707,
  "reset": 708,
  "error-response": 709,
  "not-observed": 710,
  "canceled": 711,
  "wrong-mode": 712,
  "closed": 0,
  "limit": 0,
  "message-ids": 0,
  "name-resolution": 0,
  "transport": 0,
  "unsupported-scheme": 0,
  "rejected-response": 0,
};

/**
 * The one error class of the library.
 *
 * @example Tell failures apart
 * ```ts
 * import { CoAPError } from "@x/coap";
 *
 * const error = new CoAPError("timeout", "No answer from coap://127.0.0.1 in 93000 ms");
 * console.log(error.code, error.reason); // 704 timeout
 * ```
 */
export class CoAPError extends Error {
  /** The number of the reason, 700 to 712, or 0 where there is none. */
  readonly code: number;
  /** Why it failed. */
  readonly reason: CoAPErrorReason;

  /** Makes an error; `options.cause` is what lay beneath. */
  constructor(reason: CoAPErrorReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CoAPError";
    this.reason = reason;
    this.code = CODES[reason];
  }
}
