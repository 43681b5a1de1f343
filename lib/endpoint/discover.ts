/** Discovery of resources: RFC 6690. @module */

import { CoAPError } from "../errors.ts";
import { ContentFormat } from "../wire/content_format.ts";
import { type Link, parseLinks } from "../wire/link_format.ts";
import { OptionNumber } from "../wire/option.ts";
import type { DiscoverOptions } from "./endpoint_options.ts";
import type { OptionInput } from "./options.ts";
import { type CoAPRequestInit, parseUri } from "./outgoing.ts";
import type { CoAPResponse } from "./response.ts";

/** Gets the links of a server, or of the resource that the URI names: `CoAPClient.discover`. */
export async function discover(
  get: (uri: string | URL, init: CoAPRequestInit) => Promise<CoAPResponse>,
  uri: string | URL,
  options: DiscoverOptions,
): Promise<Link[]> {
  const { query = [], ...init } = options;
  const { options: fromUri } = parseUri(uri);
  const extra: OptionInput[] = [];
  if (!fromUri.some(({ number }) => number === OptionNumber.UriPath)) {
    extra.push([OptionNumber.UriPath, ".well-known"], [OptionNumber.UriPath, "core"]);
  }
  const filters = isIterable(query)
    ? query
    : Object.entries(query).map(([name, value]) => `${name}=${value}`);
  for (const filter of filters) extra.push([OptionNumber.UriQuery, filter]);
  const response = await get(uri, { ...init, accept: ContentFormat.LinkFormat, options: extra });
  if (!response.ok) {
    throw new CoAPError(
      "error-response",
      `Discovery of "${uri}" was answered with "${response.codeText}" ${response.text()}`.trim(),
    );
  }
  const { contentFormat } = response;
  if (contentFormat !== undefined && contentFormat !== ContentFormat.LinkFormat) {
    throw new CoAPError(
      "malformed-message",
      `Discovery of "${uri}" was answered in content format "${contentFormat}"`,
    );
  }
  try {
    return parseLinks(response.text());
  } catch (cause) {
    throw new CoAPError("malformed-message", `Links of "${uri}" are malformed`, { cause });
  }
}

function isIterable(query: NonNullable<DiscoverOptions["query"]>): query is Iterable<string> {
  return Symbol.iterator in query;
}
