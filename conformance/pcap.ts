/** Captures: the classic format of libpcap, and pcapng as Wireshark writes it. @module */

import { type CapturedDatagram, datagramOf } from "./pcap_packet.ts";

/** What was read of a capture. */
export interface Capture {
  /** The UDP datagrams, in the order in which they were captured. */
  datagrams: CapturedDatagram[];
  /** Packets in all, those of other protocols included. */
  packets: number;
  /** Fragments of IP packets: they are left out. */
  fragments: number;
  /** Whether the file ends inside a packet. */
  truncated: boolean;
}

/** How the packets of one interface are written. */
interface Interface {
  link: number;
  /** Units of its timestamps in a millisecond. */
  unitsPerMs: number;
  /** To be added to its timestamps, ms. */
  offset: number;
}

const PCAP_MICROSECONDS = 0xa1b2c3d4;
const PCAP_NANOSECONDS = 0xa1b23c4d;
const SECTION_HEADER = 0x0a0d0d0a;
const BYTE_ORDER = 0x1a2b3c4d;

/** Blocks of pcapng that are read; others are skipped, as the format asks for. */
const Block = { Interface: 1, ObsoletePacket: 2, SimplePacket: 3, EnhancedPacket: 6 } as const;

/** Options of an interface description. */
const InterfaceOption = { End: 0, Resolution: 9, Offset: 14 } as const;

/**
 * Reads a capture.
 *
 * @param bytes the whole file; the datagrams refer to them
 * @throws {SyntaxError} where it is neither pcap nor pcapng
 */
export function readCapture(bytes: Uint8Array): Capture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const capture: Capture = { datagrams: [], packets: 0, fragments: 0, truncated: false };
  if (bytes.length >= 24) {
    const magic = view.getUint32(0);
    if (magic === SECTION_HEADER) return readBlocks(view, capture);
    for (const little of [false, true]) {
      const number = view.getUint32(0, little);
      if (number === PCAP_MICROSECONDS) return readRecords(view, little, 1000, capture);
      if (number === PCAP_NANOSECONDS) return readRecords(view, little, 1_000_000, capture);
    }
  }
  const start = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0"));
  throw new SyntaxError(`Neither pcap nor pcapng: the file begins with "${start.join(" ")}"`);
}

function readRecords(
  view: DataView,
  little: boolean,
  unitsPerMs: number,
  capture: Capture,
): Capture {
  // Above the 16 bits of the link type are those of the frame check sequence.
  const link = view.getUint32(20, little) & 0xffff;
  let position = 24;
  while (position < view.byteLength) {
    if (position + 16 > view.byteLength) return cutShort(capture);
    const time = view.getUint32(position, little) * 1000 +
      view.getUint32(position + 4, little) / unitsPerMs;
    const length = view.getUint32(position + 8, little);
    position += 16;
    if (position + length > view.byteLength) return cutShort(capture);
    take(capture, link, time, view, position, length);
    position += length;
  }
  return capture;
}

function readBlocks(view: DataView, capture: Capture): Capture {
  let interfaces: Interface[] = [];
  let little = false;
  let position = 0;
  while (position < view.byteLength) {
    if (position + 12 > view.byteLength) return cutShort(capture);
    if (view.getUint32(position) === SECTION_HEADER) {
      little = view.getUint32(position + 8, true) === BYTE_ORDER;
      if (!little && view.getUint32(position + 8) !== BYTE_ORDER) {
        throw new SyntaxError(`No byte order in the section at "${position}"`);
      }
      interfaces = [];
    }
    const type = view.getUint32(position, little);
    const length = view.getUint32(position + 4, little);
    if (length < 12 || length % 4 !== 0) {
      throw new SyntaxError(`Block at "${position}" has an impossible length: "${length}"`);
    }
    if (position + length > view.byteLength) return cutShort(capture);
    // The body lies between type and length, and the length again.
    const body = new DataView(view.buffer, view.byteOffset + position + 8, length - 12);
    if (type === Block.Interface) interfaces.push(readInterface(body, little));
    else if (type === Block.EnhancedPacket || type === Block.ObsoletePacket) {
      readPacket(body, little, type, interfaces, capture);
    } else if (type === Block.SimplePacket && interfaces[0] !== undefined && length >= 16) {
      const captured = Math.min(body.getUint32(0, little), body.byteLength - 4);
      take(capture, interfaces[0].link, 0, body, 4, captured);
    }
    position += length;
  }
  return capture;
}

function readInterface(body: DataView, little: boolean): Interface {
  const found: Interface = { link: 0, unitsPerMs: 1000, offset: 0 };
  if (body.byteLength < 8) return found;
  found.link = body.getUint16(0, little);
  for (let position = 8; position + 4 <= body.byteLength;) {
    const code = body.getUint16(position, little);
    const length = body.getUint16(position + 2, little);
    position += 4;
    if (code === InterfaceOption.End || position + length > body.byteLength) break;
    if (code === InterfaceOption.Resolution && length === 1) {
      const exponent = body.getUint8(position) & 0x7f;
      const base = body.getUint8(position) >> 7 === 1 ? 2 : 10;
      found.unitsPerMs = base ** exponent / 1000;
    } else if (code === InterfaceOption.Offset && length === 8) {
      found.offset = Number(body.getBigInt64(position, little)) * 1000;
    }
    position += length + 3 & ~3;
  }
  return found;
}

function readPacket(
  body: DataView,
  little: boolean,
  type: number,
  interfaces: readonly Interface[],
  capture: Capture,
): void {
  if (body.byteLength < 20) return;
  const index = type === Block.EnhancedPacket
    ? body.getUint32(0, little)
    : body.getUint16(0, little);
  const from = interfaces[index];
  if (from === undefined) return;
  const units = body.getUint32(4, little) * 2 ** 32 + body.getUint32(8, little);
  const captured = Math.min(body.getUint32(12, little), body.byteLength - 20);
  take(capture, from.link, units / from.unitsPerMs + from.offset, body, 20, captured);
}

function take(
  capture: Capture,
  link: number,
  time: number,
  view: DataView,
  start: number,
  length: number,
): void {
  capture.packets++;
  const packet = new Uint8Array(view.buffer, view.byteOffset + start, length);
  const datagram = datagramOf(packet, link, time, capture.packets);
  if (datagram === "fragment") capture.fragments++;
  else if (datagram !== undefined) capture.datagrams.push(datagram);
}

function cutShort(capture: Capture): Capture {
  capture.truncated = true;
  return capture;
}
