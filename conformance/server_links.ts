/** Server cases for lists of links: RFC 6690, and what RFC 7252 and RFC 7641 add to them. @module */

import { type ServerCase, serverCase } from "./case.ts";
import { type Datagram, textOf } from "./datagram.ts";
import { download } from "./transfers.ts";
import type { Tester } from "./tester.ts";

/** An attribute of a link: its name, and its value where it has one. */
type Attribute = readonly [name: string, value: string | undefined];

/** A link of the list. */
interface Link {
  href: string;
  attributes: Attribute[];
}

/** `link-value` of RFC 6690 section 2: a target, then parameters; quoted strings may hold anything. */
const LINK =
  /<([^<>]*)>((?:\s*;\s*[!#$&+\-.^_`|~\w]+\*?(?:=(?:"(?:[^"\\]|\\.)*"|[^\s",;\\]+))?)*)/y;
const PARAMETER = /;\s*([!#$&+\-.^_`|~\w]+\*?)(?:=("(?:[^"\\]|\\.)*"|[^\s",;\\]+))?/g;

/** Reads a list of links by the grammar; undefined where it is none. */
function parseLinks(text: string): Link[] | undefined {
  const links: Link[] = [];
  for (let at = 0; at < text.length;) {
    LINK.lastIndex = at;
    const match = LINK.exec(text);
    if (match === null) return undefined;
    const [whole, href = "", parameters = ""] = match;
    const attributes = [...parameters.matchAll(PARAMETER)].map(([, name, value]): Attribute => [
      name!.toLowerCase(),
      value?.replace(/^"(.*)"$/s, "$1"),
    ]);
    links.push({ href, attributes });
    at += whole.length;
    if (at === text.length) break;
    const [comma = ""] = /^\s*,\s*/.exec(text.slice(at)) ?? [];
    if (comma === "" || at + comma.length === text.length) return undefined;
    at += comma.length;
  }
  return links;
}

/** All links of the server. */
async function linksOf(t: Tester): Promise<[Link[], Datagram]> {
  const { body, responses } = await download(t, "/.well-known/core", undefined);
  const links = parseLinks(textOf(body));
  if (links === undefined) t.fail("a list of links after RFC 6690 section 2", textOf(body));
  if (links.length === 0) t.notApplicable("the server has no links");
  return [links, responses[0]!];
}

/** Fails where a link has one of these attributes more than once. */
function once(t: Tester, links: readonly Link[], names: readonly string[]): void {
  for (const { href, attributes } of links) {
    for (const name of names) {
      const count = attributes.filter(([other]) => other === name).length;
      t.check(count <= 1, `${name} at most once`, `${count} times at <${href}>`);
    }
  }
}

/** The cases. */
export const LINK_CASES: readonly ServerCase[] = [
  serverCase("6690-2-1", {}, async (t: Tester) => {
    const [links] = await linksOf(t);
    t.note(`${links.length} links`);
  }),
  serverCase("6690-2-2", {}, async (t: Tester) => {
    const [links] = await linksOf(t);
    once(t, links, ["rt", "if", "sz", "ct"]);
  }),
  serverCase("7252-7-3", {}, async (t: Tester) => {
    const [links] = await linksOf(t);
    once(t, links, ["ct"]);
    for (const { href, attributes } of links) {
      for (const [name, value = ""] of attributes) {
        if (name !== "ct") continue;
        const formats = value.split(" ");
        const isRight = formats.every((one) =>
          /^(?:0|[1-9]\d*)$/.test(one) && Number(one) < 65_536
        );
        t.check(isRight, "ct with numbers from 0 to 65535", `ct="${value}" at <${href}>`);
      }
    }
  }),
  serverCase("7641-6-1", {}, async (t: Tester) => {
    const [links] = await linksOf(t);
    const observable = links.filter(({ attributes }) =>
      attributes.some(([name]) => name === "obs")
    );
    if (observable.length === 0) t.notApplicable("no link has obs");
    once(t, links, ["obs"]);
    for (const { href, attributes } of observable) {
      const value = attributes.find(([name]) => name === "obs")![1];
      t.check(value === undefined, "obs without a value", `obs=${value} at <${href}>`);
    }
  }),
];
