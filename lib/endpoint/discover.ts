/** Discovery of resources: RFC 6690. @module */

import { CoAPError } from "../errors.ts";
import { ContentFormat } from "../wire/content_format.ts";
import { type Link, parseLinks } from "../wire/link_format.ts";
import { makeOption, OptionNumber } from "../wire/option.ts";
import { composeUri, decomposeUri } from "../wire/uri.ts";
import type { DiscoverOptions } from "./endpoint_options.ts";
import type { CoAPRequestInit } from "./outgoing.ts";
import type { CoAPResponse } from "./response.ts";

const CORE = [".well-known", "core"];

/** Gets the links of a server, or of the resource that the URI names: `CoAPClient.discover`. */
export async function discover(
  get: (uri: string | URL, init: CoAPRequestInit) => Promise<CoAPResponse>,
  uri: string | URL,
  options: DiscoverOptions,
): Promise<Link[]> {
  const { query = [], ...init } = options;
  const parts = decomposeUri(uri);
  const target = [...parts.options];
  if (!target.some(({ number }) => number === OptionNumber.UriPath)) {
    for (const segment of CORE) target.push(makeOption(OptionNumber.UriPath, segment));
  }
  const filters = isIterable(query)
    ? query
    : Object.entries(query).map(([name, value]) => `${name}=${value}`);
  for (const filter of filters) target.push(makeOption(OptionNumber.UriQuery, filter));
  const response = await get(composeUri({ ...parts, options: target }), {
    ...init,
    accept: ContentFormat.LinkFormat,
  });
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
