/** Servers broken in what they do with requests: RFC 7252 section 5, methods, links and smaller documents. @module */

import { bytesOf, Opt, type OptionSpec, textOf, valueOf } from "../conformance/datagram.ts";
import {
  adds,
  blindTo,
  isResponse,
  type Mutant,
  mutant,
  pathIn,
  rebuild,
  receives,
  recodes,
  refuses,
  sends,
  sendsWith,
  withOption,
  without,
} from "./mutants.ts";

/** Options that are not understood, stand twice, or are too long. */
const OPTIONS: readonly Mutant[] = [
  receives("critical option ignored", "7252-5.4-3 7252-5.4-5", (message) => ({
    options: without(message, 2049, 65_001),
  })),
  receives("critical option ignored that stands twice", "7252-5.4-13 7959-2.1-3", (message) => ({
    options: message.options.filter(({ number }, index) =>
      number === Opt.UriPath || number === Opt.UriQuery ||
      message.options.findIndex((other) => other.number === number) === index
    ).map(({ number, value }): OptionSpec => [number, value]),
  })),
  refuses(
    "elective option refused",
    "7252-5.4-2 7252-3.1-2",
    (message) => valueOf(message, 65_000) !== undefined,
  ),
  receives(
    "empty Uri-Host accepted",
    "7252-5.4-7",
    (message) =>
      valueOf(message, Opt.UriHost)?.length === 0
        ? { options: without(message, Opt.UriHost) }
        : undefined,
  ),
  refuses(
    "Max-Age in requests refused",
    "7252-5.4-1",
    (message) => valueOf(message, Opt.MaxAge) !== undefined,
  ),
  adds(
    "Max-Age 60 although that is the default",
    "7252-5.4-11",
    [Opt.MaxAge, 60],
    (message) => isResponse(message) && valueOf(message, Opt.MaxAge) === undefined,
  ),
  adds(
    "Content-Format twice",
    "7252-5.4-12",
    [Opt.ContentFormat, 0],
    (message) => valueOf(message, Opt.ContentFormat) !== undefined,
  ),
  adds("option of an experiment", "7252-5.4-15", [65_000, "x"], isResponse),
  sends("integers in four bytes", "7252-3.2-1", (message) => {
    const value = valueOf(message, Opt.MaxAge);
    if (value === undefined) return undefined;
    const padded = Uint8Array.of(...new Uint8Array(4 - value.length), ...value);
    return { options: withOption(message, [Opt.MaxAge, padded]) };
  }),
  sends("repeated options in reverse", "7252-3.1-1 CORE_18", (message) => {
    const found = message.options.filter(({ number }) => number === Opt.LocationPath);
    const reversed = found.toReversed().map(({ number, value }): OptionSpec => [number, value]);
    return { options: [...without(message, Opt.LocationPath), ...reversed] };
  }),
  sends("queries of a location in one option", "CORE_19", (message) => {
    const found = message.options.filter(({ number }) => number === Opt.LocationQuery);
    if (found.length === 0) return undefined;
    const joined = found.map(({ value }) => textOf(value)).join("&");
    return { options: withOption(message, [Opt.LocationQuery, joined]) };
  }),
  blindTo(Opt.Accept, "Accept ignored", "7252-5.10-6 7252-5.10-16 CORE_20"),
  blindTo(Opt.IfMatch, "If-Match ignored", "7252-5.10-12 CORE_22"),
  blindTo(Opt.IfNoneMatch, "If-None-Match ignored", "7252-5.10-13 CORE_23"),
  blindTo(Opt.ETag, "ETags of requests ignored", "7252-5.8-2 CORE_21"),
  blindTo(Opt.ProxyUri, "Proxy-Uri ignored", "7252-5.7-7 7252-5.10-5"),
  blindTo(
    Opt.UriQuery,
    "queries ignored",
    "6690-4-3 CORE_14 LINK_02 LINK_04 LINK_05 LINK_07 LINK_08",
  ),
  refuses(
    "queries refused where links are asked for",
    "6690-4-4",
    (message) =>
      pathIn(message) === "/.well-known/core" && valueOf(message, Opt.UriQuery) !== undefined,
  ),
  adds(
    "two ETags",
    "7252-5.10-9",
    [Opt.ETag, "second"],
    (message) => valueOf(message, Opt.ETag) !== undefined,
  ),
  adds(
    "reserved option beside Location-Path",
    "7252-5.10-11",
    [128, "x"],
    (message) => valueOf(message, Opt.LocationPath) !== undefined,
  ),
  recodes("critical option called a bad request", "9177-4-1", "4.02", "4.00"),
  recodes("bad request called a loop", "8768-3-2", "4.00", "5.08"),
];

/** Methods, codes and paths. */
const METHODS: readonly Mutant[] = [
  sendsWith("GET that counts", "7252-5.1-1", () => {
    let count = 0;
    return ({ code, payload }) =>
      code === "2.05" && /^\d+$/.test(textOf(payload)) ? { payload: String(count++) } : undefined;
  }),
  recodes("created called changed", "7252-5.8-3 7252-5.8-4", "2.01", "2.04"),
  recodes("created called content", "CORE_04", "2.01", "2.05"),
  recodes("changed called content", "CORE_03", "2.04", "2.05"),
  recodes("deleted called changed", "CORE_02", "2.02", "2.04"),
  recodes("method not allowed called not found", "7252-5.8-1", "4.05", "4.04"),
  recodes("unprocessable called bad", "8132-2-6", "4.22", "4.00"),
  recodes("not found called changed", "7252-5.10-14", "4.04", "2.04"),
  sendsWith("nothing left to delete, called not found", "7252-5.8-5", () => {
    let count = 0;
    return ({ code }) => code === "2.02" && count++ > 0 ? { code: "4.04" } : undefined;
  }),
  sends(
    "payload in 2.03",
    "7252-5.9-1",
    ({ code }) => code === "2.03" ? { payload: "valid" } : undefined,
  ),
  refuses(
    "GET with a payload refused",
    "7252-5.5-1",
    ({ code, payload }) => code === "0.01" && payload.length > 0,
  ),
  sends(
    "diagnostic message that is no UTF-8",
    "7252-5.5-3",
    ({ code }) => code === "4.04" ? { payload: Uint8Array.of(0xe9, 0x20) } : undefined,
  ),
  sends(
    "diagnostic message without end",
    "7252-5.5-4",
    ({ code }) => code === "4.04" ? { payload: bytesOf("no".repeat(200)) } : undefined,
  ),
  receives("dot segments resolved", "7252-5.10-2", (message) => {
    const path = new URL(pathIn(message), "coap://host").pathname.split("/").slice(1);
    return {
      options: [
        ...without(message, Opt.UriPath),
        ...path.filter((one) => one !== "").map((one): OptionSpec => [Opt.UriPath, one]),
      ],
    };
  }),
  receives("paths decoded once too often", "7252-5.10-3", (message) => ({
    options: message.options.map(({ number, value }): OptionSpec => [
      number,
      number === Opt.UriPath ? decodeURIComponent(new TextDecoder().decode(value)) : value,
    ]),
  })),
  receives("path in one option", "CORE_13", (message) => ({
    options: [...without(message, Opt.UriPath), [Opt.UriPath, pathIn(message).slice(1)]],
  })),
  receives(
    "any format taken",
    "7252-5.10-7",
    (message) =>
      message.code === "0.03"
        ? { options: withOption(message, [Opt.ContentFormat, 50]) }
        : undefined,
  ),
  receives(
    "iPATCH not known",
    "8132-2-1",
    ({ code }) => code === "0.07" ? { code: "0.31" } : undefined,
  ),
  receives(
    "query of FETCH not looked at",
    "8132-2-2",
    ({ code }) => code === "0.05" ? { payload: '["a"]' } : undefined,
  ),
  receives(
    "FETCH without a format taken",
    "8132-2-4",
    (message) =>
      message.code === "0.05"
        ? { options: withOption(message, [Opt.ContentFormat, 50]) }
        : undefined,
  ),
  mutant("half a patch applied", "8132-3-1", () => ({
    receive: (bytes, message) =>
      message?.code === "0.06" ? rebuild(message, { payload: '{"a":99}' }) : bytes,
    send: (bytes, message) => message.code === "2.04" ? rebuild(message, { code: "4.22" }) : bytes,
  })),
  blindTo(Opt.IfMatch, "conditions of patches ignored", "8132-3-3"),
];

/** No-Response, Echo, Request-Tag, and links. */
const OTHERS: readonly Mutant[] = [
  receives(
    "No-Response for all classes",
    "7967-2-3",
    (message) =>
      valueOf(message, Opt.NoResponse) === undefined
        ? undefined
        : { options: withOption(message, [Opt.NoResponse, 26]) },
  ),
  refuses(
    "No-Response refused",
    "7967-2-2",
    (message) => valueOf(message, Opt.NoResponse) !== undefined,
  ),
  blindTo(Opt.Echo, "Echo never enough", "9175-2.2-6"),
  sends(
    "4.01 without Echo",
    "9175-2.4-1",
    (message) => message.code === "4.01" ? { options: without(message, Opt.Echo) } : undefined,
  ),
  blindTo(Opt.RequestTag, "Request-Tag ignored", "9175-3-3"),
  adds("Request-Tag in responses", "9175-3-4", [Opt.RequestTag, "a"], isResponse),
  sends(
    "one ETag for everything",
    "9175-4-1",
    (message) =>
      valueOf(message, Opt.ETag) === undefined
        ? undefined
        : { options: withOption(message, [Opt.ETag, "same"]) },
  ),
  sends(
    "no list of links",
    "7252-7-1",
    (message) => isList(message.payload) ? { code: "4.04" } : undefined,
  ),
  sends(
    "links without their format",
    "7252-7-2 6690-4-1 LINK_01",
    (message) => ({ options: without(message, Opt.ContentFormat) }),
  ),
  rewrites("links without their end", "6690-2-1", /<([^>]*)>/g, "<$1"),
  rewrites("rt twice", "6690-2-2", /(;rt="[^"]*")/g, "$1$1"),
  rewrites("ct of five digits and more", "7252-7-3", /;ct=40/g, ";ct=99999"),
  rewrites("obs with a value", "7641-6-1", /;obs\b/g, ";obs=1"),
  rewrites("links without rt among those with rt", "LINK_03", /;rt="[^"]*"/, ""),
  rewrites("links without sz among those with sz", "LINK_06", /;sz=\d+/, ""),
  rewrites("collection without its parts", "LINK_09", /^<\/path\/sub1>.*$/, ""),
];

function isList(payload: Uint8Array): boolean {
  return textOf(payload).startsWith("</");
}

/** A mutant that writes links otherwise. */
function rewrites(name: string, caughtBy: string, pattern: RegExp, by: string): Mutant {
  return sends(
    name,
    caughtBy,
    ({ payload }) =>
      isList(payload) ? { payload: textOf(payload).replace(pattern, by) } : undefined,
  );
}

/** Proxies. */
const PROXIES: readonly Mutant[] = [
  recodes("bad gateway called an error of its own", "7252-5.7-2", "5.02", "5.00"),
  recodes("time-out of a gateway called unavailable", "7252-5.7-1", "5.04", "5.03"),
  blindTo(65_002, "unsafe option let pass", "7252-5.7-4"),
  blindTo(65_001, "safe option kept back", "7252-5.7-5"),
  receives("path of Proxy-Uri cut off", "7252-5.7-9", (message) => {
    const uri = valueOf(message, Opt.ProxyUri);
    return uri && { options: withOption(message, [Opt.ProxyUri, new URL("/", textOf(uri)).href]) };
  }),
  blindTo(Opt.HopLimit, "hops not counted", "8768-3-3"),
  sends("places of what was created kept back", "CORE_24 CORE_25", (message) => ({
    options: without(message, Opt.LocationPath, Opt.LocationQuery),
  })),
  blindTo(Opt.Accept, "one stored response for all formats", "CORE_26"),
  recodes("precondition called a conflict", "CORE_27 CORE_28", "4.12", "4.09"),
  sends(
    "age of stored responses not taken off",
    "CORE_29",
    (message) =>
      valueOf(message, Opt.MaxAge) === undefined
        ? undefined
        : { options: withOption(message, [Opt.MaxAge, 30]) },
  ),
];

/** All of them. */
export const REQUEST_MUTANTS: readonly Mutant[] = [...OPTIONS, ...METHODS, ...OTHERS, ...PROXIES];
