/** Any text as a URI: refused, or taken apart and put together again without a loss. @module */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { CoAPError } from "../../lib/errors.ts";
import {
  composeUri,
  decomposeUri,
  equalUris,
  normalizeUri,
  resolveUri,
  type UriParts,
} from "../../lib/wire/uri.ts";
import { toHex } from "../vectors.ts";
import { corpusOf, type FuzzTarget } from "./target.ts";

/** Parts of URIs that mean something, and what is like them. */
// deno-fmt-ignore -- a table
const PIECES = [
  "coap", "coaps", "coap+tcp", "coaps+ws", "COAP", "http", "://", ":", "//", "/", "?", "#", "@", "[", "]",
  "[::1]", "[fe80::1%25eth0]", "[fe80::1%eth0]", "[::ffff:1.2.3.4]", "127.0.0.1", "127.0.0.01", "1.2.3", "0x7f.1",
  "example.com", "EXAMPLE.com", "xn--bcher-kva", "bücher", ":5683", ":5684", ":80", ":0", ":65535", ":65536",
  ":", ":00080", "a", "b", "..", ".", "%2e", "%2E%2e", "%2F", "%2f", "%25", "%", "%zz", "%C3%A9", "%c3", "é", "😀",
  "\ud800", "&", "=", "+", ";", ",", "~", " ", "\t", "\n", "\u0000", "\\", "|", "a".repeat(255), "a".repeat(256),
];

const corpus = corpusOf<string>("uri").map(({ input }) => input);
const pieces = fc.array(fc.constantFrom(...PIECES), { maxLength: 10 });

/** The same but for its spelling. */
function plain({ scheme, host, hostIsAddress, port, options }: UriParts): unknown {
  return {
    scheme,
    host,
    hostIsAddress,
    port,
    options: options.map(({ number, value }) => `${number} ${toHex(value)}`),
  };
}

/** Whether a host stands as it is in a URI, but for what is beyond ASCII (RFC 3986 section 3.2.2). */
function isRegName(host: string): boolean {
  return /^(?:[\w.~!$&'()*+,;=-]|%[0-9a-f]{2}|[^\0-\x7f])*$/i.test(host);
}

/** What the function gives; undefined where it refuses. */
function refusable<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof CoAPError && error.reason === "invalid-uri") return undefined;
    throw error;
  }
}

export const uriTarget: FuzzTarget<string> = {
  name: "uri",
  arbitrary: fc.oneof(
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 60 }) },
    { weight: 1, arbitrary: pieces.map((parts) => parts.join("")) },
    { weight: 4, arbitrary: pieces.map((parts) => `coap://host${parts.join("")}`) },
    { weight: 2, arbitrary: pieces.map((parts) => `coap://${parts.join("")}`) },
    {
      weight: 2,
      arbitrary: fc.tuple(fc.constantFrom("coap://h/", ...corpus), fc.nat(100), pieces).map(
        ([text, at, parts]) => text.slice(0, at) + parts.join("") + text.slice(at),
      ),
    },
  ),
  check(text) {
    const base = "coap://base.example/a/b?c";
    const resolved = refusable(() => resolveUri(base, text));
    if (resolved !== undefined) {
      // A target is one, from wherever it is looked at.
      assertEquals(refusable(() => resolveUri("coap://other.example", resolved)), resolved);
    }
    const parts = refusable(() => decomposeUri(text));
    if (parts === undefined) {
      assertEquals(refusable(() => normalizeUri(text)), undefined);
      return;
    }
    const normal = normalizeUri(text);
    assertEquals(plain(decomposeUri(normal)), plain(parts), normal);
    assertEquals(normalizeUri(normal), normal);
    assertEquals(equalUris(text, normal), true);
    const composed = refusable(() => composeUri(parts));
    if (composed === undefined) {
      // A host with a character that none can have as it stands: the algorithm fails (RFC 7252 section 6.5).
      assertEquals([parts.hostIsAddress, isRegName(parts.host)], [false, false]);
      return;
    }
    // A "%" in the option stands as it is, as if it began an encoding: by section 6.5 it can not be told apart.
    if (!parts.hostIsAddress && parts.host.includes("%")) return;
    assertEquals(composed, normal, "The normal form is what its parts make");
    // A proxy gets the same options, the host among them where it is a name.
    const { options } = decomposeUri(text, { address: "192.0.2.99", port: 1 });
    const again = decomposeUri(composeUri({ scheme: parts.scheme, host: "192.0.2.99", options }));
    // A zone is nobody else's.
    const bare = { ...parts, host: parts.host.split("%", 1)[0]! };
    if (!parts.hostIsAddress || bare.host === parts.host) assertEquals(plain(again), plain(bare));
  },
};
