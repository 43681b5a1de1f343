/** The URI of a request that came, whole and in its parts. @module */

import type { IncomingRequest } from "../endpoint/incoming_request.ts";
import { decomposeUri } from "../wire/uri.ts";

/** What a request is about. */
export interface RequestTarget {
  /** RFC 7252 section 6.5. */
  readonly uri: string;
  readonly host: string;
  readonly port: number;
  /** Begins with "/". */
  readonly path: string;
  /** Without "?". */
  readonly query: string;
}

/**
 * Takes the URI of a request apart.
 *
 * @throws {CoAPError} `invalid-uri` where the host that the peer sent is none
 */
export function targetOf(request: IncomingRequest): RequestTarget {
  const { uri } = request;
  const { host, port } = decomposeUri(uri);
  const [, path, query = ""] = /^[^:]+:\/\/[^/?]*([^?]*)(?:\?(.*))?$/s.exec(uri)!;
  return { uri, host, port, path: path || "/", query };
}
