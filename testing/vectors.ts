/** The vectors of `fixtures/vectors/`, typed, and hexadecimal for tests. @module */

import codecValidData from "../fixtures/vectors/codec-valid.json" with { type: "json" };
import malformedData from "../fixtures/vectors/malformed-udp.json" with { type: "json" };
import linkData from "../fixtures/vectors/rfc6690.json" with { type: "json" };
import coapData from "../fixtures/vectors/rfc7252-appendix-a.json" with { type: "json" };
import uriData from "../fixtures/vectors/rfc7252-uri.json" with { type: "json" };
import observeData from "../fixtures/vectors/rfc7641-appendix-a.json" with { type: "json" };
import blockData from "../fixtures/vectors/rfc7959-section3.json" with { type: "json" };
import streamData from "../fixtures/vectors/rfc8323.json" with { type: "json" };
import tokenData from "../fixtures/vectors/rfc8974.json" with { type: "json" };

/** Bytes of hexadecimal digits. */
export function fromHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** Lower-case hexadecimal digits of bytes. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** An option of a vector. */
export interface VectorOption {
  number: number;
  hex: string;
  name?: string;
  string?: string;
  uint?: number;
  block?: { num: number; more: boolean; szx: number };
}

/** `codec-valid.json` */
export const codecValid: {
  messages: {
    id: string;
    hex: string;
    type: "CON" | "NON" | "ACK" | "RST";
    code: string;
    mid: number;
    token: string;
    options: VectorOption[];
    payload: string;
  }[];
  uints: { value: number; minimal?: string; accept?: string[] }[];
  option_properties: {
    number: number;
    name: string | null;
    critical: boolean;
    unsafe: boolean;
    no_cache_key: boolean;
    reserved: boolean;
  }[];
  option_table: {
    number: number;
    name: string;
    repeatable: boolean;
    format: string;
    min_length: number;
    max_length: number;
    default: string | number | null;
  }[];
  codes: { code: string; byte: string; name: string }[];
} = codecValidData as typeof codecValid;

/** A datagram of `malformed-udp.json`. */
export interface MalformedDatagram {
  id: string;
  layer: "datagram" | "message-format" | "message-semantics" | "request-option";
  hex: string;
  length: number;
  reason: string;
  type?: "CON" | "NON" | "ACK" | "RST";
  mid?: string;
  code?: string;
  format: { reason: string; offset: number } | null;
  expected: { action: string; rst_hex?: string };
  alternatives?: string[];
  rfc8974?: string;
}

/** `malformed-udp.json` */
export const malformed: { datagrams: MalformedDatagram[] } =
  malformedData as unknown as typeof malformed;

/** A message of a sequence; an event such as a timeout has no `hex`. */
export interface SequenceMessage {
  hex?: string;
  type?: "CON" | "NON" | "ACK" | "RST";
  code?: string;
  mid?: number;
  token?: string;
  options?: VectorOption[];
  payload_hex?: string;
  length?: number;
  from?: string;
  event?: string;
}

/** Message sequences of the RFCs' figures. */
export interface Sequences {
  sequences: { id: string; title: string; messages: SequenceMessage[] }[];
}

/** `rfc7252-appendix-a.json` */
export const coapSequences: Sequences = coapData as unknown as Sequences;

/** `rfc7641-appendix-a.json` */
export const observeSequences: Sequences & {
  reordering: { cases: { v1: number; v2: number; dt_seconds: number; newer: boolean }[] };
} = observeData as unknown as typeof observeSequences;

/** `rfc7959-section3.json` */
export const blockSequences: Sequences & {
  block_option_values: {
    hex: string;
    num: number;
    more: boolean;
    szx: number;
    size: number | null;
    offset: number | null;
    minimal: boolean;
  }[];
} = blockData as unknown as typeof blockSequences;

/** An option by name with its value as a string or a number. */
export type NamedOption = [name: string, value: string | number];

/** `rfc7252-uri.json` */
export const uris: {
  compose: {
    id: string;
    dst: string;
    port: number;
    options: NamedOption[];
    uri: string;
    uri_by_algorithm?: string;
  }[];
  decompose: { uri: string; dst?: string; dst_port: number; options: NamedOption[] }[];
  decompose_fail: { uri: string; why: string }[];
  equivalent: string[][];
  not_equivalent: [string, string][];
} = uriData as unknown as typeof uris;

/** `rfc6690.json` */
export const links: {
  documents: {
    id: string;
    text: string;
    links: { href: string; attrs: [string, string | null][] }[];
    lenient?: boolean;
  }[];
  malformed: { text: string; why: string }[];
  filters: { doc: string; query: string; expect: string[] }[];
} = linkData as unknown as typeof links;

/** `rfc8974.json` */
export const extendedTokens: {
  cases: {
    id: string;
    token_length?: number;
    tkl: number;
    hex: string;
    rfc7252_only?: string;
    expected?: string;
  }[];
} = tokenData as typeof extendedTokens;

/** A message of a reliable transport; `zeros` bytes of zero follow `hex`. */
export interface FrameVector {
  id: string;
  title: string;
  code: string;
  token: string;
  options: { number: number; hex: string }[];
  hex: string;
  zeros?: number;
}

/** `rfc8323.json` */
export const streams: {
  frames: FrameVector[];
  figure2: FrameVector[];
  signaling: FrameVector[];
  websocket: FrameVector[];
  bert: {
    id: string;
    title: string;
    steps: {
      req?: string;
      rsp?: string;
      block1_hex?: string;
      block2_hex?: string;
      payload?: number;
    }[];
    body: number;
  }[];
  malformed: { id: string; hex_stream: string; why: string; expected: string }[];
  stream: { id: string; hex_stream: string; messages: string[] }[];
} = streamData as unknown as typeof streams;
