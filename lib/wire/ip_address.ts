/** IP address literals in their recommended form (RFC 5952). @module */

/** Whether the text is an IPv4 address: four decimal numbers from 0 to 255 without leading zeros. */
export function isIPv4(text: string): boolean {
  return parseIPv4(text) !== undefined;
}

/** Whether the text is an IPv6 address, without brackets, with or without a zone. */
export function isIPv6(text: string): boolean {
  return canonicalIPv6(text) !== undefined;
}

function parseIPv4(text: string): number[] | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const numbers: number[] = [];
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    numbers.push(Number(part));
  }
  return numbers;
}

/**
 * The recommended form of an IPv6 address, or undefined where the text is none. A zone (`%eth0`) stays as it is.
 */
export function canonicalIPv6(text: string): string | undefined {
  const percent = text.indexOf("%");
  const address = percent < 0 ? text : text.slice(0, percent);
  const zone = percent < 0 ? "" : text.slice(percent);
  if (zone === "%") return undefined;
  const groups = parseIPv6(address);
  return groups === undefined ? undefined : formatIPv6(groups) + zone;
}

/** The eight groups of an IPv6 address. */
function parseIPv6(text: string): number[] | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** Groups separated by colons; the last ones may be an IPv4 address where they end the address. */
function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    if (/^[\da-f]{1,4}$/i.test(part)) {
      groups.push(parseInt(part, 16));
      continue;
    }
    const bytes = last && i === parts.length - 1 ? parseIPv4(part) : undefined;
    if (bytes === undefined) return undefined;
    groups.push(bytes[0]! << 8 | bytes[1]!, bytes[2]! << 8 | bytes[3]!);
  }
  return groups;
}

function formatIPv6(groups: number[]): string {
  // An address mapped from IPv4 ends as it is known there (RFC 5952 section 5).
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    const [high, low] = [groups[6]!, groups[7]!];
    return `::ffff:${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  }
  // The first of the longest runs of at least two zeros is left out (section 4.2).
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
    if (end > i) i = end;
  }
  const text = groups.map((group) => group.toString(16));
  if (start < 0) return text.join(":");
  return `${text.slice(0, start).join(":")}::${text.slice(start + length).join(":")}`;
}
