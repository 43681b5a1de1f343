/** UDP datagrams in captured packets: link layers, IPv4, IPv6. @module */

import { canonicalIPv6 } from "../lib/wire/mod.ts";

/** One end of a datagram. */
export interface Endpoint {
  /** IPv4 in decimals, IPv6 in its canonical form. */
  address: string;
  /** 0 to 65535. */
  port: number;
}

/** A UDP datagram as it was captured. */
export interface CapturedDatagram {
  /** Position of its packet in the capture, from 1. */
  number: number;
  /** When it was captured, ms since the epoch. */
  time: number;
  /** The sender. */
  source: Endpoint;
  /** The receiver, or a group. */
  destination: Endpoint;
  /** What it carries. */
  bytes: Uint8Array;
  /** Whether bytes at its end were not captured. */
  cut: boolean;
}

/** Link types, as the registry of the Tcpdump Group numbers them. */
const Link = {
  Null: 0,
  Ethernet: 1,
  RawBsd: 12,
  RawOpenBsd: 14,
  Raw: 101,
  Loop: 108,
  Cooked: 113,
  Ipv4: 228,
  Ipv6: 229,
  Cooked2: 276,
} as const;

const EtherType = { Ipv4: 0x0800, Ipv6: 0x86dd, Vlan: 0x8100, ServiceVlan: 0x88a8 } as const;
const UDP = 17;
const IPV6_FRAGMENT = 44;
/** Extension headers of IPv6 that say where the next header begins: hop-by-hop, routing, destination. */
const IPV6_EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 60]);

/** The datagram in a packet; undefined where it is of another protocol or too short to tell. */
export function datagramOf(
  packet: Uint8Array,
  link: number,
  time: number,
  number: number,
): CapturedDatagram | "fragment" | undefined {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const start = networkLayer(view, link);
  if (start === undefined || start >= packet.length) return undefined;
  const version = packet[start]! >> 4;
  const ip = version === 4
    ? readIpv4(view, start)
    : version === 6
    ? readIpv6(view, start)
    : undefined;
  if (ip === undefined || ip === "fragment") return ip;
  const { source, destination, udp } = ip;
  if (udp + 8 > packet.length) return undefined;
  const length = view.getUint16(udp + 4);
  if (length < 8) return undefined;
  return {
    number,
    time,
    source: { address: source, port: view.getUint16(udp) },
    destination: { address: destination, port: view.getUint16(udp + 2) },
    // Behind a short datagram may be the padding of Ethernet.
    bytes: packet.subarray(udp + 8, udp + length),
    cut: udp + length > packet.length,
  };
}

/** Where the IP packet begins. */
function networkLayer(view: DataView, link: number): number | undefined {
  switch (link) {
    case Link.Null:
    case Link.Loop:
      // The family before it is numbered by the system that captured; the IP version says the same.
      return 4;
    case Link.Raw:
    case Link.RawBsd:
    case Link.RawOpenBsd:
    case Link.Ipv4:
    case Link.Ipv6:
      return 0;
    case Link.Ethernet:
      return behindType(view, 12);
    case Link.Cooked:
      return behindType(view, 14);
    case Link.Cooked2:
      return view.byteLength >= 20 && isIp(view.getUint16(0)) ? 20 : undefined;
    default:
      return undefined;
  }
}

/** Where the packet begins whose type stands at `position`, behind the tags of virtual networks. */
function behindType(view: DataView, position: number): number | undefined {
  for (let at = position; at + 2 <= view.byteLength; at += 4) {
    const type = view.getUint16(at);
    if (isIp(type)) return at + 2;
    if (type !== EtherType.Vlan && type !== EtherType.ServiceVlan) return undefined;
  }
  return undefined;
}

function isIp(type: number): boolean {
  return type === EtherType.Ipv4 || type === EtherType.Ipv6;
}

interface IpPacket {
  source: string;
  destination: string;
  /** Where the UDP header begins. */
  udp: number;
}

function readIpv4(view: DataView, start: number): IpPacket | "fragment" | undefined {
  if (start + 20 > view.byteLength || view.getUint8(start + 9) !== UDP) return undefined;
  // More fragments, or not the first.
  if ((view.getUint16(start + 6) & 0x3fff) !== 0) return "fragment";
  const address = (at: number): string =>
    [0, 1, 2, 3].map((i) => view.getUint8(start + at + i)).join(".");
  const headerLength = (view.getUint8(start) & 15) * 4;
  return { source: address(12), destination: address(16), udp: start + headerLength };
}

function readIpv6(view: DataView, start: number): IpPacket | "fragment" | undefined {
  if (start + 40 > view.byteLength) return undefined;
  let next = view.getUint8(start + 6);
  let at = start + 40;
  while (next !== UDP) {
    if (at + 8 > view.byteLength) return undefined;
    if (next === IPV6_FRAGMENT) {
      // A packet may say that it is its own only fragment (RFC 6946).
      if ((view.getUint16(at + 2) & 0xfff9) !== 0) return "fragment";
      next = view.getUint8(at);
      at += 8;
    } else if (IPV6_EXTENSIONS.has(next)) {
      next = view.getUint8(at);
      at += (view.getUint8(at + 1) + 1) * 8;
    } else {
      return undefined;
    }
  }
  return { source: ipv6Text(view, start + 8), destination: ipv6Text(view, start + 24), udp: at };
}

/** An address in its canonical form (RFC 5952). */
function ipv6Text(view: DataView, start: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(start + 2 * i).toString(16));
  return canonicalIPv6(groups.join(":"))!;
}
