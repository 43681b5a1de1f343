/** Short scripts, with the rules that their messages break. */

import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { found, tell } from "../testing/capture_script.ts";

const ASK = "0 > CON GET 0x0001 token 01 /a";
const OBSERVE = `0 > CON GET 0x0001 token 01 Observe:0 /a
  1 < ACK 2.05 0x0001 token 01 Observe:5`;

/** Scripts with what is to be found in them. */
const CASES: [name: string, script: string, ...expected: string[]][] = [
  ["a datagram of three bytes", "0 > #400100", "1✗ 7252-3-3"],
  ["another version", "0 > #80010001", "1✗ 7252-3-2"],
  ["a reserved token length", "0 > #4f010001", "1✗ 7252-3-7"],
  ["a truncated token", "0 > #4201000101", "1✗ 7252-3-8"],
  ["an Empty message with content", "0 > #4000000101", "1✗ 7252-4.1-1"],
  ["option delta 15", "0 > #40010001f0", "1✗ 7252-3.1-3"],
  ["option length 15", "0 > #400100011f", "1✗ 7252-3.1-4"],
  ["a truncated option", "0 > #400100011401", "1✗ 7252-3.1-5"],
  ["a truncated option head", "0 > #40010001d1", "1✗ 7252-3.1-5"],
  ["an option number above 65535", "0 > #40010001e0fff3e0fff3", "1✗ 7252-3.1-6"],
  ["a marker without payload", "0 > #40010001ff", "1✗ 7252-3-10"],
  ["a malformed message rejected", "0 > #40010001ff\n 1 < RST Empty 0x0001", "1✗ 7252-3-10"],
  [
    "a malformed message acknowledged",
    "0 > #40010001ff\n 1 < ACK Empty 0x0001",
    "1✗ 7252-3-10",
    "2✗ 7252-4.2-5",
  ],
  ["an Empty Non-confirmable message", "0 > NON Empty 0x0001", "1✗ 7252-4.3-1"],
  ["a Reset with a code", `${ASK}\n 1 < #70450001`, "2✗ 7252-4.2-7"],
  ["an Acknowledgement with a request", `${ASK}\n 1 < #60010001`, "2✗ 7252-4.2-6"],
  ["class 1, Confirmable", "0 > #40200001\n 1 < RST Empty 0x0001", "1✗ 7252-4.2-3"],
  ["class 7, Non-confirmable", "0 > #50e10001", "1✗ 7252-4.3-3"],
  ["class 6 in an Acknowledgement", `${ASK}\n 1 < #60c00001`, "2✗ 7252-4.2-8"],
  ["class 3", "0 > #50600001", "1! 7252-4.2-4"],
  ["an unknown method", "0 > #50080001", "1! 7252-5.8-1"],
  ["a payload in GET", '0 > NON GET 0x0001 "x"', "1✗ 7252-5.5-1"],
  ["FETCH without Content-Format", '0 > NON FETCH 0x0001 "x"', "1✗ 8132-2-3"],
  ["a Uri-Path of two dots", "0 > NON GET 0x0001 /..", "1✗ 7252-5.10-1"],
  ["Proxy-Uri with Uri-Path", "0 > NON GET 0x0001 /a Proxy-Uri:coap://b", "1✗ 7252-5.10-5"],
  ["a needless Uri-Port", "0 > NON GET 0x0001 Uri-Port:5683", "1! 7252-5.4-11"],
  ["Observe 2 in a request", "0 > NON GET 0x0001 Observe:2", "1! 7641-2-3"],
  ["Observe in POST", "0 > NON POST 0x0001 Observe:0", "1! 7641-2-4"],
  ["an option for experiments", "0 > NON GET 0x0001 65000:0x01", "1! 7252-5.4-15"],
  ["an unknown critical option", "0 > NON GET 0x0001 2051:0x01", "1! 7252-5.4-3"],
  [
    "an unknown critical option in a response",
    `${ASK}\n 1 < ACK 2.05 0x0001 token 01 2051:0x01`,
    "2! 7252-5.4-4",
  ],
  ["an unknown elective option", "0 > NON GET 0x0001 2050:0x01"],
  [
    "an option of requests in a response",
    `${ASK}\n 1 < ACK 2.05 0x0001 token 01 /x`,
    "2✗ 7252-5.4-1",
  ],
  ["a repeated option", "0 > NON GET 0x0001 Accept:1 Accept:2", "1✗ 7252-5.4-12"],
  ["an option that is too long", "0 > NON GET 0x0001 ETag:0x010203040506070809", "1✗ 7252-5.4-9"],
  ["an integer with leading zeros", "0 > NON GET 0x0001 Accept:0x0001", "1! 7252-3.2-1"],
  [
    "2.03 with payload and without ETag",
    `${ASK}\n 1 < ACK 2.03 0x0001 token 01 "x"`,
    "2✗ 7252-5.9-1",
    "2✗ 7252-5.9-1",
  ],
  [
    "a Location-Path of a dot",
    `0 > CON POST 0x0001 token 01\n 1 < ACK 2.01 0x0001 token 01 Location-Path:.`,
    "2✗ 7252-5.10-11",
  ],
  ["a large message", `0 > NON PUT 0x0001 /a #${"00".repeat(1150)}`, "1! 7252-4.6-1"],

  ["an exchange", `${ASK}\n 1 < ACK 2.05 0x0001 token 01 "x"`],
  [
    "a separate response",
    `${ASK}\n 1 < ACK Empty 0x0001\n 2 < CON 2.05 0x0009 token 01\n 3 > ACK Empty 0x0009`,
  ],
  [
    "a separate response that stands for the Acknowledgement",
    `${ASK}\n 9000 < NON 2.05 0x0009 token 01`,
  ],
  [
    "a request that nobody answers",
    `${ASK}\n 2600 > CON GET 0x0001 token 01 /a\n 9999 > NON GET 0x0002 token 02`,
    "2! 7252-4.2-1",
  ],
  [
    "a retransmission too early",
    `${ASK}\n 900 > CON GET 0x0001 token 01 /a\n 901 < ACK 2.05 0x0001 token 01`,
    "2! 7252-4.2-10",
  ],
  [
    "a fifth retransmission",
    [0, 2, 6, 14, 30, 62].map((s) => `${s}000 > CON GET 0x0001 token 01 /a`).join("\n"),
    "6! 7252-4.2-12",
  ],
  [
    "a message ID used again",
    `${ASK}\n 1 < ACK 2.05 0x0001 token 01\n 2 > NON GET 0x0001 token 02 /b`,
    "3✗ 7252-4.4-1",
  ],
  [
    "a message ID used again after its lifetime",
    "0 > NON GET 0x0001 token 01\n 145000 > NON GET 0x0001 token 02",
  ],
  [
    "a message ID of a Confirmable message used again too early",
    "0 > CON GET 0x0001 token 01\n 1 < ACK Empty 0x0001\n 246000 > NON GET 0x0001 token 02",
    "3✗ 7252-4.4-1",
  ],
  ["an Acknowledgement of nothing", "0 > ACK Empty 0x0001", "1✗ 7252-4.2-6"],
  ["a Reset of nothing", "0 > RST Empty 0x0001", "1✗ 7252-4.2-7"],
  [
    "a Reset of an Acknowledgement",
    `${ASK}\n 1 < ACK 2.05 0x0001 token 01\n 2 > RST Empty 0x0001`,
    "3✗ 7252-4.2-9",
  ],
  [
    "an Acknowledgement of a Reset",
    "0 > CON Empty 0x0001\n 1 < RST Empty 0x0001\n 2 > ACK Empty 0x0001",
    "3✗ 7252-4.2-9",
  ],
  [
    "a Non-confirmable message acknowledged",
    "0 > NON GET 0x0001 token 01\n 1 < ACK 2.05 0x0001 token 01",
    "2✗ 7252-4.3-2",
  ],
  ["a ping", "0 > CON Empty 0x0001\n 1 < RST Empty 0x0001"],
  ["a ping acknowledged", "0 > CON Empty 0x0001\n 1 < ACK Empty 0x0001", "2✗ 7252-4.2-2"],
  ["another token", `${ASK}\n 1 < ACK 2.05 0x0001 token 02`, "2✗ 7252-5.3.1-1"],
  [
    "a response in a second Acknowledgement",
    `${ASK}\n 1 < ACK Empty 0x0001\n 2 < ACK 2.05 0x0001 token 01`,
    "3✗ 7252-5.2-5",
  ],
  [
    "a POST that is processed twice",
    `0 > CON POST 0x0001 token 01\n 1 < ACK 2.01 0x0001 token 01
     2500 > CON POST 0x0001 token 01\n 2501 < ACK 2.04 0x0001 token 01`,
    "4! 7252-4.5-1",
  ],
  [
    "a response acknowledged with a response",
    `${ASK}\n 1 < CON 2.05 0x0009 token 01\n 2 > ACK 2.05 0x0009 token 01`,
    "3✗ 7252-5.2-6",
  ],
  [
    "a response without request",
    "0 < CON 2.05 0x0009 token 01\n 1 > RST Empty 0x0009",
    "1✗ 7252-5.3.2-4",
  ],
  [
    "a response from elsewhere",
    "0 > NON GET 0x0001 token 01\n 1 << NON 2.05 0x0009 token 01",
    "2✗ 7252-5.3.2-1",
  ],
  [
    "a second response",
    "0 > NON GET 0x0001 token 01\n 1 < NON 2.05 0x0008 token 01\n 2 < NON 2.05 0x0009 token 01",
    "3✗ 7252-5.3.2-5",
  ],
  [
    "a second response to a repeated request",
    `0 > NON GET 0x0001 token 01\n 1 < NON 2.05 0x0008 token 01
     2 > NON GET 0x0001 token 01\n 3 < NON 2.05 0x0009 token 01`,
  ],
  [
    "a Confirmable response to a Non-confirmable request",
    "0 > NON GET 0x0001 token 01\n 1 < CON 2.05 0x0009 token 01\n 2 > ACK Empty 0x0009",
    "2! 7252-5.2-9",
  ],
  [
    "a token in use",
    "0 > NON GET 0x0001 token 01 /a\n 1 > NON GET 0x0002 token 01 /b",
    "2! 7252-5.3.1-2",
  ],
  [
    "a token that is free after a Reset",
    `${ASK}\n 1 < RST Empty 0x0001\n 2 > NON GET 0x0002 token 01 /b`,
  ],

  [
    "a group",
    "0 >> NON GET 0x0001 token 01 /a\n 9 << NON 2.05 0x0008 token 01\n 9 < NON 2.05 0x0009 token 01",
  ],
  ["a Confirmable request to a group", "0 >> CON GET 0x0001 token 01", "1✗ 7252-8-1"],
  ["an ETag to a group", "0 >> NON GET 0x0001 token 01 ETag:0x01", "1✗ 7252-8-8"],
  [
    "a Reset of a request to a group",
    "0 >> NON GET 0x0001 token 01\n 1 << RST Empty 0x0001",
    "2✗ 7252-8-2",
  ],

  ["an observation", `${OBSERVE}\n 2 < CON 2.05 0x0009 token 01 Observe:6\n 3 > ACK Empty 0x0009`],
  [
    "a state that is not newer",
    `${OBSERVE}\n 2 < NON 2.05 0x0009 token 01 Observe:5`,
    "3✗ 7641-4.4-1",
  ],
  [
    "a number that wraps around",
    `${OBSERVE}\n 2 < NON 2.05 0x0009 token 01 Observe:16777215`,
    "3✗ 7641-4.4-1",
  ],
  ["an older number after 128 s", `${OBSERVE}\n 129000 < NON 2.05 0x0009 token 01 Observe:3`],
  [
    "a notification retransmitted with another number",
    `${OBSERVE}\n 2 < CON 2.05 0x0009 token 01 Observe:6\n 2500 < CON 2.05 0x0009 token 01 Observe:7\n 2501 > ACK Empty 0x0009`,
  ],
  ["a notification without Observe", `${OBSERVE}\n 2 < NON 2.05 0x0009 token 01`, "3✗ 7641-4.2-3"],
  ["an error with Observe", `${OBSERVE}\n 2 < NON 4.04 0x0009 token 01 Observe:6`, "3✗ 7641-4.2-3"],
  [
    "a state after an error",
    `${OBSERVE}\n 2 < NON 4.04 0x0009 token 01\n 3 < NON 2.05 0x000a token 01 Observe:6`,
    "4✗ 7641-4.2-2",
  ],
  [
    "another Content-Format",
    `${OBSERVE}\n 2 < NON 2.05 0x0009 token 01 Observe:6 Content-Format:50`,
    "3✗ 7641-4.2-4",
  ],
  [
    "a state after deregistration",
    `${OBSERVE}\n 2 > CON GET 0x0002 token 01 Observe:1 /a\n 3 < ACK 2.05 0x0002 token 01\n 4 < NON 2.05 0x0009 token 01 Observe:6`,
    "5✗ 7641-4.1-4",
  ],
  [
    "a state on its way while the client deregisters",
    `${OBSERVE}\n 2 > CON GET 0x0002 token 01 Observe:1 /a\n 3 < NON 2.05 0x0009 token 01 Observe:6\n 4 < ACK 2.05 0x0002 token 01`,
  ],
  [
    "Observe in the response to a deregistration",
    `${OBSERVE}\n 2 > CON GET 0x0002 token 01 Observe:1 /a\n 3 < ACK 2.05 0x0002 token 01 Observe:6`,
    "4✗ 7641-4.1-4",
  ],
  [
    "a state after a Reset",
    `${OBSERVE}\n 2 < CON 2.05 0x0009 token 01 Observe:6\n 3 > RST Empty 0x0009\n 4 < NON 2.05 0x000a token 01 Observe:7`,
    "5✗ 7641-4.5-2",
  ],
  [
    "a state after a Reset of a Non-confirmable one",
    `${OBSERVE}\n 2 < NON 2.05 0x0009 token 01 Observe:6\n 3 > RST Empty 0x0009\n 4 < NON 2.05 0x000a token 01 Observe:7`,
    "5✗ 7641-4.5-5",
  ],
  [
    "Observe without having asked",
    `${ASK}\n 1 < ACK 2.05 0x0001 token 01 Observe:6`,
    "2✗ 7252-5.4-1",
  ],
  [
    "a state although nobody is registered",
    "0 > CON GET 0x0001 token 01 Observe:0\n 1 < ACK 2.05 0x0001 token 01\n 2 < NON 2.05 0x0009 token 01 Observe:6",
    "3✗ 7641-3.1-1",
  ],
  [
    "the same observed twice",
    `${OBSERVE}\n 2 > CON GET 0x0002 token 02 Observe:0 /a\n 3 < ACK 2.05 0x0002 token 02 Observe:6`,
    "3✗ 7641-3.1-2",
  ],
  [
    "two resources observed",
    `${OBSERVE}\n 2 > CON GET 0x0002 token 02 Observe:0 /b\n 3 < ACK 2.05 0x0002 token 02 Observe:6`,
  ],
  [
    "a registration renewed",
    `${OBSERVE}\n 2 > CON GET 0x0002 token 01 Observe:0 /a ETag:0x01\n 3 < ACK 2.03 0x0002 token 01 Observe:6 ETag:0x01`,
  ],
  [
    "a token that an observation has",
    `${OBSERVE}\n 2 > CON GET 0x0002 token 01 /b\n 3 < ACK 2.05 0x0002 token 01`,
    "3! 7252-5.3.1-2",
  ],
];

describe("explain", () => {
  for (const [name, script, ...expected] of CASES) {
    it(`${name}: ${expected.length === 0 ? "nothing" : expected.join(", ")}`, () => {
      assertEquals(found(tell(script)), expected);
    });
  }

  it("names rows of the checklist", () => {
    const url = new URL("./checklist.json", import.meta.url);
    const text = readFileSync(url, "utf8");
    const rows = new Set(CASES.flatMap(([, , ...expected]) => expected.map((e) => e.slice(3))));
    for (const row of rows) assertStringIncludes(text, `"${row}"`);
    assert(rows.size > 60);
  });

  it("says what each message means", () => {
    const { messages } = tell(`
      0 > CON GET 0x0001 token 01 Observe:0 /a/b ?x=1&y
      1 < ACK Empty 0x0001
      2 < CON 2.05 0x0009 token 01 Observe:1
      3 > ACK Empty 0x0009
      9 < CON 2.05 0x000a token 01 Observe:2
      2500 < CON 2.05 0x000a token 01 Observe:3
      2501 > RST Empty 0x000a
      2600 > CON Empty 0x0002
      2601 < RST Empty 0x0002
      2602 < NON 2.05 0x000b token 77
      2603 > NON FETCH 0x0003 token 02 Block2:3/0/16
      2603 > NON FETCH 0x0003 token 02 Block2:3/0/16
      2604 < NON 4.04 0x000c token 02
    `);
    assertEquals(messages.map(({ explanation }) => explanation), [
      "Request: GET /a/b?x=1&y, registers",
      "Acknowledges #1: the response comes later",
      "Response to #1, separate: Content",
      "Acknowledges #3",
      "Notification of #1: Content",
      "Retransmission 1 of #5",
      "Rejects #5 and ends the observation of #1",
      "Ping",
      "Answers the ping #8",
      "A response that nobody has asked for: to be rejected or ignored",
      "Request: FETCH /, asks for block 3",
      "Repeats #11",
      "Response to #11, separate: Not Found",
    ]);
  });

  it("takes long tokens where it may", () => {
    const script = `0 > #4d010001${"00".repeat(14)}`;
    assertEquals(found(tell(script)), ["1✗ 7252-3-7"]);
    assertEquals(found(tell(script, { extendedTokens: true })), []);
  });
});
