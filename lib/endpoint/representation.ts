/** What options of a request demand of representations, whatever the handler: RFC 7252 section 5.10. @module */

import { etagOf } from "../engine/server_blocks.ts";
import { equalBytes } from "../wire/bytes.ts";
import { Code } from "../wire/code.ts";
import { findOption, OptionNumber } from "../wire/option.ts";
import { valueUint } from "../wire/option_view.ts";
import type { IncomingRequest } from "./incoming_request.ts";
import { CoAPResponse } from "./response.ts";

const NOT_ACCEPTABLE = CoAPResponse.error(Code.NotAcceptable);
const PRECONDITION_FAILED = CoAPResponse.error(Code.PreconditionFailed);

/** Whether the method only asks: GET and FETCH. */
export function isSafe(code: number): boolean {
  return code === Code.GET || code === Code.FETCH;
}

/** Whether a request asks to be registered as an observer (RFC 7641 section 2). To a group it is not defined. */
export function asksToObserve({ code, observe, peer }: IncomingRequest): boolean {
  return observe === 0 && isSafe(code) && !peer.multicast;
}

/**
 * What is sent instead of a 2.05 that the request does not accept (4.06), or whose entity tag it lists (2.03).
 *
 * @param revalidate whether tags are looked at: the state of an observed resource goes to observers with different ones
 */
export function represent(
  request: IncomingRequest,
  response: CoAPResponse,
  revalidate: boolean,
): CoAPResponse {
  if (response.code !== Code.Content || !isSafe(request.code)) return response;
  let listed = false;
  for (const option of request.options) {
    if (option.number === OptionNumber.ETag) listed = revalidate;
    if (option.number === OptionNumber.Accept) {
      const format = response.contentFormat;
      if (format !== undefined && format !== valueUint(option)) return NOT_ACCEPTABLE;
    }
  }
  if (!listed) return response;
  const etag = tagOf(response);
  if (!request.etags.some((other) => equalBytes(other, etag))) return response;
  const maxAge = findOption(response.options, OptionNumber.MaxAge);
  return new CoAPResponse(undefined, {
    code: Code.Valid,
    etag,
    options: maxAge === undefined ? [] : [maxAge],
  });
}

/** The tag that a representation has, or that it gets where it is sent in blocks. */
function tagOf(response: CoAPResponse): Uint8Array {
  return response.etag ?? etagOf(response);
}

/** Whether a request is to be performed under conditions only. */
export function isConditional(request: IncomingRequest): boolean {
  return request.options.some(({ number }) =>
    number === OptionNumber.IfMatch || number === OptionNumber.IfNoneMatch
  );
}

/**
 * Weighs the conditions of a request against what GET answers: 4.04 where the resource does not exist, 2.xx where it
 * does. Of one that answers otherwise nothing is known, and no condition is fulfilled.
 *
 * @returns 4.12, or undefined where the request is to be performed
 */
export function weigh(request: IncomingRequest, state: CoAPResponse): CoAPResponse | undefined {
  const { ifMatch, ifNoneMatch } = request;
  if (ifNoneMatch && state.code !== Code.NotFound) return PRECONDITION_FAILED;
  if (ifMatch.length === 0) return undefined;
  if (!state.ok) return PRECONDITION_FAILED;
  const etag = tagOf(state);
  return ifMatch.some((other) => other.length === 0 || equalBytes(other, etag))
    ? undefined
    : PRECONDITION_FAILED;
}
