import { describe, it } from "node:test";
import { assertEquals, assertNotEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  blockSequences,
  coapSequences,
  codecValid,
  extendedTokens,
  fromHex,
  malformed,
  observeSequences,
  type SequenceMessage,
  toHex,
  type VectorOption,
} from "../../testing/vectors.ts";
import { CoAPError } from "../errors.ts";
import { Code, codeText, parseCode } from "./code.ts";
import {
  decode,
  encode,
  encodeResponse,
  hasToken,
  type Message,
  type MessageInit,
  MessageType,
  tokenLength,
} from "./message.ts";
import { stringOptions, uintOption } from "./option.ts";

const TYPES = {
  CON: MessageType.Confirmable,
  NON: MessageType.NonConfirmable,
  ACK: MessageType.Acknowledgement,
  RST: MessageType.Reset,
};

/** A message as plain data, its bytes in hexadecimal. */
function plain({ type, code, id, token, options, payload, error }: Message): unknown {
  return {
    type,
    code: codeText(code),
    id,
    token: toHex(token),
    options: options.map(({ number, value }) => ({ number, hex: toHex(value) })),
    payload: toHex(payload),
    error,
  };
}

interface Row {
  type: keyof typeof TYPES;
  code: string;
  mid: number;
  token: string;
  options: VectorOption[];
  payload: string;
}

function plainRow({ type, code, mid, token, options, payload }: Row): unknown {
  return {
    type: TYPES[type],
    code,
    id: mid,
    token,
    options: options.map(({ number, hex }) => ({ number, hex })),
    payload,
    error: undefined,
  };
}

function toInit({ type, code, mid, token, options, payload }: Row): MessageInit {
  return {
    type: TYPES[type],
    code: parseCode(code),
    id: mid,
    token: fromHex(token),
    options: options.map(({ number, hex }) => ({ number, value: fromHex(hex) })),
    payload: fromHex(payload),
  };
}

describe("well-formed messages (7252-3.1-7)", () => {
  for (const row of codecValid.messages) {
    it(`${row.id} ${row.hex.slice(0, 16)}`, () => {
      assertEquals(plain(decode(fromHex(row.hex))), plainRow(row));
      // The pseudo-random ones have options of lengths that no sender may choose.
      assertEquals(toHex(encode(toInit(row), { checkOptions: false })), row.hex);
      assertEquals(toHex(encode(decode(fromHex(row.hex)), { checkOptions: false })), row.hex);
    });
  }
});

describe("messages of the RFCs' figures", () => {
  for (
    const { id, title, messages } of [coapSequences, observeSequences, blockSequences]
      .flatMap(({ sequences }) => sequences)
  ) {
    it(`${id} ${title}`, () => {
      let seen = 0;
      for (const message of messages) {
        if (message.hex === undefined) continue;
        seen++;
        const row = sequenceRow(message);
        const bytes = fromHex(message.hex);
        const decoded = decode(bytes);
        assertEquals(bytes.length, message.length);
        assertEquals(plain(decoded), plainRow(row));
        assertEquals(toHex(encode(toInit(row))), message.hex);
        for (const { number, string, uint } of row.options) {
          if (string !== undefined) {
            assertEquals(stringOptions(decoded.options, number).includes(string), true);
          }
          if (uint !== undefined) assertEquals(uintOption(decoded.options, number), uint);
        }
      }
      assertNotEquals(seen, 0);
    });
  }
});

function sequenceRow(message: SequenceMessage): Row {
  const { type, code, mid, token, options, payload_hex } = message;
  return {
    type: type!,
    code: code!,
    mid: mid!,
    token: token!,
    options: options!,
    payload: payload_hex!,
  };
}

describe("malformed datagrams", () => {
  for (const row of malformed.datagrams) {
    it(`${row.id} ${row.reason}`, () => {
      const bytes = fromHex(row.hex);
      assertEquals(bytes.length, row.length);
      const message = decode(bytes);
      assertEquals(message.error, row.format ?? undefined);
      assertEquals(Object.hasOwn(message, "error"), true);
      if (row.format === null) {
        assertEquals(toHex(encodeAsReceived(message)), row.hex);
        return;
      }
      assertEquals(
        [message.token.length, message.options.length, message.payload.length],
        [0, 0, 0],
      );
      if (row.type === undefined || row.mid === undefined || row.code === undefined) return;
      // What a Reset needs.
      assertEquals(message.type, TYPES[row.type]);
      assertEquals(codeText(message.code), row.code);
      assertEquals(message.id, parseInt(row.mid, 16));
    });
  }

  it("M001 to M010 give nothing to answer to", () => {
    const rows = malformed.datagrams.filter(({ layer }) => layer === "datagram");
    assertEquals(rows.length, 7);
    for (const { hex } of rows) {
      const { type, code, id, error } = decode(fromHex(hex));
      assertEquals([type, code, id], [0, 0, 0]);
      assertEquals(error!.reason === "too-short" || error!.reason === "version", true);
    }
  });
});

/** Some well-formed datagrams are messages that no sender may make, so that only their content is written. */
function encodeAsReceived(message: Message): Uint8Array {
  const { type, code } = message;
  const sendable = type !== MessageType.Reset &&
    !(type === MessageType.NonConfirmable && code === 0);
  if (sendable) return encode(message, { checkOptions: false });
  const bytes = encode({ ...copy(message), type: MessageType.Confirmable });
  bytes[0]! |= type << 4;
  return bytes;
}

function copy({ type, code, id, token, options, payload }: Message): Message {
  return { type, code, id, token, options, payload };
}

describe("extended tokens (RFC 8974)", () => {
  for (const row of extendedTokens.cases) {
    it(row.id, () => {
      const bytes = fromHex(row.hex);
      const extended = decode(bytes, { extendedTokens: true });
      const without = decode(bytes);
      if (row.token_length === undefined) {
        assertEquals(extended.error, { reason: "token-length", offset: 0 });
        assertEquals(without.error, { reason: "token-length", offset: 0 });
        return;
      }
      const expected = Uint8Array.from({ length: row.token_length }, (_, i) => (1 + 3 * i) & 255);
      assertEquals(toHex(extended.token), toHex(expected));
      assertEquals(extended.options.map(({ number }) => number), [5]);
      assertEquals(toHex(encode(extended, { extendedTokens: true })), row.hex);
      if (row.rfc7252_only === "valid") assertEquals(without.error, undefined);
      else assertEquals(without.error, { reason: "token-length", offset: 0 });
      assertEquals(without.id, 0x1234);
    });
  }

  it("are format errors where they are truncated or on an Empty message", () => {
    const reason = (hex: string) => decode(fromHex(hex), { extendedTokens: true }).error;
    assertEquals(reason("4d011234"), { reason: "token-truncated", offset: 4 });
    assertEquals(reason("4d01123400" + "00".repeat(12)), { reason: "token-truncated", offset: 4 });
    assertEquals(reason("4e01123400"), { reason: "token-truncated", offset: 4 });
    assertEquals(reason("4c01123400"), { reason: "token-truncated", offset: 4 });
    assertEquals(reason("4c001234"), { reason: "empty-message", offset: 0 });
    assertEquals(reason("4d00123400"), { reason: "empty-message", offset: 4 });
    assertEquals(reason("7900200400"), { reason: "empty-message", offset: 4 });
  });

  it("turn the rows of malformed-udp.json that say so into messages", () => {
    const rows = malformed.datagrams.filter(({ rfc8974 }) => rfc8974?.includes("valid"));
    assertEquals(rows.length, 5);
    for (const { hex } of rows) {
      assertEquals(decode(fromHex(hex), { extendedTokens: true }).error, undefined);
    }
  });
});

describe("tokens", () => {
  const tokens = ["", "20", "0102030405060708"].map(fromHex);
  const decoded = (token: Uint8Array): Message => decode(encode({ code: Code.GET, token }));
  const object = (token: Uint8Array): Message => {
    const { type, code, id, options, payload } = decoded(token);
    return { type, code, id, token, options, payload };
  };

  for (const [what, make] of [["a datagram", decoded], ["an object", object]] as const) {
    it(`of ${what} are compared and written without a view`, () => {
      for (const token of tokens) {
        const message = make(token);
        assertEquals(tokenLength(message), token.length);
        for (const other of tokens) assertEquals(hasToken(message, other), other === token);
        const last = token.slice();
        if (last.length > 0) last[last.length - 1]!++;
        assertEquals(hasToken(message, last), token.length === 0);
        const { Content: code } = Code;
        assertEquals(encodeResponse({ code, id: 7 }, message), encode({ code, id: 7, token }));
      }
    });
  }

  it("that are too long are refused with the request's token", () => {
    const settings = { extendedTokens: true };
    const token = new Uint8Array(9).fill(0xab);
    const request = decode(encode({ code: Code.GET, token }, settings), settings);
    assertThrows(
      () => encodeResponse({ code: Code.Content }, request),
      CoAPError,
      '"ababababababababab" has 9',
    );
    assertEquals(
      encodeResponse({ code: Code.Content }, request, settings),
      encode({ code: Code.Content, token }, settings),
    );
  });
});

describe("decode", () => {
  it("gives views of the datagram and the same one each time", () => {
    const bytes = new Uint8Array(200).fill(0x61);
    bytes.set(fromHex("480112346161616161616161dd0134"));
    bytes[80] = 0xff;
    const message = decode(bytes.subarray(0, 150));
    assertEquals(message.error, undefined);
    assertEquals([message.options.length, message.payload.length], [1, 69]);
    assertStrictEquals(message.token, message.token);
    assertStrictEquals(message.payload, message.payload);
    assertStrictEquals(message.options[0]!.value, message.options[0]!.value);
    bytes[100] = 0x62;
    assertEquals(message.payload[100 - 81], 0x62);
  });

  it("reads a datagram in the middle of a buffer, and of a subclass, into plain arrays", () => {
    class Special extends Uint8Array {}
    const around = new Uint8Array(100).fill(0xee);
    const hex = "4401123401020304b474657374ff" + "68".repeat(40);
    around.set(fromHex(hex), 20);
    const message = decode(new Special(around.buffer, 20, hex.length / 2));
    assertEquals(toHex(message.token), "01020304");
    assertEquals(toHex(message.options[0]!.value), "74657374");
    assertEquals(toHex(message.payload), "68".repeat(40));
    for (const part of [message.token, message.options[0]!.value, message.payload]) {
      assertStrictEquals(part.constructor, Uint8Array);
    }
  });
});
