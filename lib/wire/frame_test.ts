import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type FrameVector, fromHex, streams, toHex } from "../../testing/vectors.ts";
import { CoAPError } from "../errors.ts";
import { equalBytes } from "./bytes.ts";
import { Code, codeText, parseCode } from "./code.ts";
import {
  decodeFrame,
  encodeFrame,
  frameSize,
  lengthSize,
  stripLength,
  takeFrame,
  withoutLength,
  writeFrame,
} from "./frame.ts";
import { encode, type Message, MessageType } from "./message.ts";
import type { Option } from "./option.ts";

const WEBSOCKET = { length: false };

function bytesOf({ hex, zeros = 0 }: FrameVector): Uint8Array {
  const head = fromHex(hex);
  const bytes = new Uint8Array(head.length + zeros);
  bytes.set(head);
  return bytes;
}

function plain({ code, token, options, payload, error }: Message): unknown {
  return {
    code,
    token: toHex(token),
    options: options.map(({ number, value }) => [number, toHex(value)]),
    payload: toHex(payload),
    error: error?.reason,
  };
}

function check(vector: FrameVector, settings?: { length: boolean }): void {
  const bytes = bytesOf(vector);
  const message = decodeFrame(bytes, settings);
  assertEquals(message.error, undefined);
  assertEquals([codeText(message.code), toHex(message.token)], [vector.code, vector.token]);
  assertEquals([message.type, message.id], [MessageType.Confirmable, 0]);
  assertEquals(
    message.options.map(({ number, value }) => ({ number, hex: toHex(value) })),
    vector.options,
  );
  if (vector.zeros !== undefined) assertEquals(message.payload.length, vector.zeros);
  const again = encodeFrame(message, { ...settings, checkOptions: false });
  assertEquals(toHex(again), toHex(bytes));
}

describe("frames of TCP: RFC 8323 section 3.2", () => {
  for (const vector of [...streams.frames, ...streams.figure2, ...streams.signaling]) {
    it(`${vector.id}: ${vector.title}`, () => {
      check(vector);
      const bytes = bytesOf(vector);
      assertEquals(frameSize(bytes, 0, bytes.length), bytes.length);
    });
  }

  it("tell their size as soon as they can, wherever they begin", () => {
    for (const vector of streams.frames) {
      const bytes = bytesOf(vector);
      for (let shown = 0; shown < Math.min(bytes.length, 12); shown++) {
        const size = frameSize(bytes, 0, shown);
        assert(size === -1 || size === bytes.length, `${vector.id} of ${shown} bytes: ${size}`);
      }
      const shifted = new Uint8Array(bytes.length + 3);
      shifted.set(bytes, 3);
      assertEquals(frameSize(shifted, 3, shifted.length), bytes.length);
    }
  });

  it("tell the size of more than 4 GiB", () => {
    assertEquals(frameSize(fromHex("f0ffffffff01"), 0, 6), 6 + 2 ** 32 - 1 + 65_805);
  });

  for (const { id, hex_stream, messages } of streams.stream) {
    it(`${id}: the same messages, wherever the stream is cut`, () => {
      const stream = fromHex(hex_stream);
      for (let first = 0; first <= stream.length; first++) {
        const codes: string[] = [];
        let at = 0;
        for (const end of [first, stream.length]) {
          for (let size = frameSize(stream, at, end); size > 0 && at + size <= end;) {
            codes.push(codeText(decodeFrame(stream.subarray(at, at + size)).code));
            at += size;
            size = frameSize(stream, at, end);
          }
        }
        assertEquals(codes, messages, `Cut at ${first}`);
      }
    });
  }
});

describe("messages of WebSockets: RFC 8323 section 4.2", () => {
  for (const vector of streams.websocket) {
    it(`${vector.id}: ${vector.title}`, () => check(vector, WEBSOCKET));
  }

  it("have no length", () => {
    const { error, code } = decodeFrame(fromHex("114520"), WEBSOCKET);
    assertEquals([error, code], [{ reason: "frame-length", offset: 0 }, Code.Content]);
  });
});

describe("frames that are none", () => {
  const cases: [string, string, string][] = [
    ["nothing", "", "too-short"],
    ["no code", "00", "too-short"],
    ["an extended length without a code", "d000", "too-short"],
    ["more than its length", "0045ff", "frame-length"],
    ["less than its length", "2045ff", "frame-length"],
    ["a token beyond its end", "0245aa", "frame-length"],
    ["a token of 9 bytes", "0901000000000000000000", "token-length"],
    ["the reserved token length", "0f01", "token-length"],
    ["a payload marker alone", "10e1ff", "payload-missing"],
    ["option delta 15", "1001f0", "option-delta"],
    ["an option value beyond its end", "2001b374", "option-value-truncated"],
    ["an Empty message with a token", "010042", "empty-message"],
  ];
  for (const [name, hex, reason] of cases) {
    it(`${name}: ${reason}`, () => assertEquals(decodeFrame(fromHex(hex)).error?.reason, reason));
  }
});

const option: fc.Arbitrary<Option> = fc.record({
  number: fc.integer({ min: 0, max: 65_535 }),
  value: fc.uint8Array({ maxLength: 300 }),
});
const init = fc.record({
  code: fc.integer({ min: 1, max: 255 }),
  token: fc.oneof(fc.uint8Array({ maxLength: 8 }), fc.uint8Array({ maxLength: 400 })),
  options: fc.array(option, { maxLength: 5 }),
  payload: fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.integer({ min: 65_000, max: 66_500 }).map((length) => new Uint8Array(length)),
  ),
});
const SETTINGS = { extendedTokens: true, checkOptions: false };

describe("frames, properties", () => {
  it("what is written is read, in both forms", () => {
    fc.assert(
      fc.property(init, (given) => {
        const options = [...given.options].sort((a, b) => a.number - b.number);
        const expected = plain({ ...given, options, type: 0, id: 0 });
        for (const length of [true, false]) {
          const settings = { ...SETTINGS, length };
          const frame = encodeFrame(given, settings);
          assertEquals(plain(decodeFrame(frame, settings)), expected);
          if (length) assertEquals(frameSize(frame, 0, frame.length), frame.length);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("a datagram loses its header and gets a length", () => {
    fc.assert(
      fc.property(init, fc.nat(9), (given, offset) => {
        const message = withoutLength(encode({ ...given, id: 0x1234 }, SETTINGS));
        assert(equalBytes(message, encodeFrame(given, { ...SETTINGS, length: false })));
        const frame = encodeFrame(given, SETTINGS);
        const size = lengthSize(message) + message.length;
        assertEquals(size, frame.length);
        const target = new Uint8Array(offset + size);
        assertEquals(writeFrame(target, offset, message), offset + size);
        assert(equalBytes(target.subarray(offset), frame));
        assert(equalBytes(takeFrame(target, offset, offset + size), message));
        assert(equalBytes(stripLength(target.slice(offset)), message));
      }),
      { numRuns: 200 },
    );
  });

  it("any bytes are read without an exception", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.boolean(), (bytes, length) => {
        const settings = { length, extendedTokens: true };
        const message = decodeFrame(bytes, settings);
        if (message.error !== undefined) return;
        const again = encodeFrame(message, { ...settings, checkOptions: false });
        assertEquals(plain(decodeFrame(again, settings)), plain(message));
      }),
      { numRuns: 2000 },
    );
  });
});

describe("encodeFrame", () => {
  it("writes an Empty message", () => assertEquals(toHex(encodeFrame({ code: 0 })), "0000"));

  it("refuses what encode refuses", () => {
    const token = new Uint8Array(9);
    const error = assertThrows(() => encodeFrame({ code: parseCode("0.01"), token }), CoAPError);
    assertEquals(error.reason, "malformed-message");
  });
});
