/** IP address literals in the one form in which all runtimes write them. @module */

/** An IP address literal, taken apart. */
export interface IpAddress {
  /** The literal in its canonical form (RFC 5952), with its zone where the scope needs one. */
  readonly text: string;
  /** Its family. */
  readonly family: 4 | 6;
  /** The zone (`eth0` in `fe80::1%eth0`), or an empty string; other scopes than link and group have none. */
  readonly zone: string;
  /** Whether it names a group: 224.0.0.0/4 or ff00::/8. */
  readonly multicast: boolean;
}

/** The prefix of an IPv4 address within IPv6 (RFC 4291 section 2.5.5.2), as text. */
const MAPPED = "::ffff:";

/**
 * Reads an IP address literal and brings it into canonical form, so that an address typed by a user
 * equals the one a socket reports.
 *
 * @returns `undefined` where the text is no IP address literal
 */
export function parseIpAddress(text: string): IpAddress | undefined {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) {
    return { text, family: 4, zone: "", multicast: v4 >>> 28 === 0xe };
  }
  const percent = text.indexOf("%");
  const suffix = percent < 0 ? "" : text.slice(percent);
  if (percent >= 0 && !/^%[^\s%/\]]+$/.test(suffix)) return undefined;
  const groups = parseIpv6(percent < 0 ? text : text.slice(0, percent));
  if (groups === undefined) return undefined;
  const bare = formatIpv6(groups);
  const multicast = groups[0]! >>> 8 === 0xff;
  const zone = multicast || isLinkLocal(bare) ? suffix.slice(1) : "";
  return { text: zone === "" ? bare : `${bare}%${zone}`, family: 6, zone, multicast };
}

/**
 * The same address in the other family where there is one: `192.0.2.1` is `::ffff:192.0.2.1` to a
 * dual-stack IPv6 socket.
 *
 * @returns `undefined` where the address does not exist in `family`
 */
export function toFamily(address: IpAddress, family: 4 | 6): IpAddress | undefined {
  if (address.family === family) return address;
  if (family === 6) return { ...address, text: MAPPED + address.text, family };
  return address.text.startsWith(MAPPED)
    ? parseIpAddress(address.text.slice(MAPPED.length))
    : undefined;
}

/** Whether `text`, an address as a socket reports it, is link-local (fe80::/10) and says no zone. */
export function lacksZone(text: string): boolean {
  return isLinkLocal(text) && !text.includes("%");
}

function isLinkLocal(text: string): boolean {
  return /^fe[89ab][0-9a-f]:/.test(text);
}

/** Reads four decimal numbers without leading zeros, which some systems would take for octal. */
function parseIpv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  let value = 0;
  for (let i = 1; i <= 4; i++) {
    const part = match[i]!;
    if (Number(part) > 255 || (part.length > 1 && part.startsWith("0"))) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

/** Reads the eight groups of RFC 4291 section 2.2. */
function parseIpv6(text: string): number[] | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const parts: number[][] = [];
  for (const [index, half] of halves.entries()) {
    const groups: number[] = [];
    const fields = half === "" ? [] : half.split(":");
    for (const [at, field] of fields.entries()) {
      if (/^[0-9a-f]{1,4}$/i.test(field)) {
        groups.push(parseInt(field, 16));
        continue;
      }
      const v4 = parseIpv4(field);
      const last = at === fields.length - 1 && index === halves.length - 1;
      if (v4 === undefined || !last) return undefined;
      groups.push(v4 >>> 16, v4 & 0xffff);
    }
    parts.push(groups);
  }
  const [head = [], tail] = parts;
  if (tail === undefined) return head.length === 8 ? head : undefined;
  const zeros = 8 - head.length - tail.length;
  return zeros < 1 ? undefined : [...head, ...new Array<number>(zeros).fill(0), ...tail];
}

/** Writes the form of RFC 5952; an IPv4-mapped address keeps its dots. */
function formatIpv6(groups: number[]): string {
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    const [high = 0, low = 0] = groups.slice(6);
    return `${MAPPED}${high >>> 8}.${high & 0xff}.${low >>> 8}.${low & 0xff}`;
  }
  let start = 0;
  let length = 1; // a single zero group is not shortened
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (groups[end] === 0) end++;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
  }
  const hex = groups.map((group) => group.toString(16));
  if (length === 1) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}
