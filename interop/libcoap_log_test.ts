import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { parsePdus } from "./libcoap_log.ts";

// From coap-client 4.3.1 with -v 7 -l 1.
const LOG = `\
Nov 22 02:56:54.999 DEBG ***127.0.0.1:43694 <-> 127.0.0.1:17001 UDP : session 0x55ff: created outgoing session
Nov 22 02:56:54.999 DEBG sending CoAP request:
Nov 22 02:56:54.999 DEBG Packet 1 dropped
Nov 22 02:56:54.999 DEBG *  127.0.0.1:43694 <-> 127.0.0.1:17001 UDP : sent 16 bytes
v:1 t:CON c:GET i:7a65 {01} [ Uri-Port:17001, Uri-Path:async, Uri-Query:1 ]
Nov 22 02:56:57.312 DEBG ** 127.0.0.1:43694 <-> 127.0.0.1:17001 UDP : mid=0x7a65: retransmission #1
Nov 22 02:56:57.312 DEBG *  127.0.0.1:43694 <-> 127.0.0.1:17001 UDP : sent 16 bytes
v:1 t:CON c:GET i:7a65 {01} [ Uri-Port:17001, Uri-Path:async, Uri-Query:1 ]
Nov 22 02:56:57.312 DEBG *  127.0.0.1:43694 <-> 127.0.0.1:17001 (if1) UDP : received 4 bytes
v:1 t:ACK c:0.00 i:7a65 {} [ ]
Nov 22 02:56:58.310 DEBG Client app version of updated PDU
v:1 t:CON c:2.05 i:12f6 {09} [ ] :: 'not a message of its own'
Nov 22 02:56:58.312 DEBG *  127.0.0.1:43694 <-> 127.0.0.1:17001 UDP : received 10 bytes
v:1 t:CON c:2.05 i:12f6 {01} [ Max-Age:1 ] :: 'done'
Nov 22 02:56:58.312 DEBG ** process incoming 2.05 response:
doneNov 22 02:56:58.313 DEBG *  127.0.0.1:43694 <-> 127.0.0.1:17001 UDP : sent 4 bytes
v:1 t:ACK c:0.00 i:12f6 {} [ ]
`;

// From coap-client 4.3.1 with -v 7 over TCP: two notifications that came together.
const STREAM_LOG = `\
Nov 27 03:57:39.807 DEBG ***127.0.0.1:38767 <-> 127.0.0.1:17002 TCP : sending CSM
Nov 27 03:57:39.807 DEBG *  127.0.0.1:38767 <-> 127.0.0.1:17002 TCP : sent 7 bytes
v:1 t:CON c:CSM i:0000 {} [ Max-Message-Size:8388864, Block-Wise-Transfer: ]
Nov 27 03:57:39.808 DEBG PDU presented by app
v:1 t:CON c:GET i:10ab {01} [ Observe:0, Uri-Path:state ]
Nov 27 03:57:39.808 DEBG *  127.0.0.1:38767 <-> 127.0.0.1:17002 TCP : sent 13 bytes
v:1 t:CON c:GET i:10ab {01} [ Observe:0, Uri-Path:state ]
Nov 27 03:57:39.809 DEBG *  127.0.0.1:38767 <-> 127.0.0.1:17002 TCP : received 1472 bytes
Nov 27 03:57:39.809 DEBG *  127.0.0.1:38767 <-> 127.0.0.1:17002 TCP : received 14 bytes
v:1 t:CON c:2.05 i:0000 {01} [ Observe:0 ] :: '2'
Nov 27 03:57:39.809 DEBG ** process incoming 2.05 response:
v:1 t:CON c:2.05 i:0000 {01} [ Observe:0 ] :: '3'
Nov 27 03:57:39.809 DEBG ** process incoming 2.05 response:
`;

describe("parsePdus", () => {
  it("reads what came and went over TCP, also together", () => {
    assertEquals(
      parsePdus(STREAM_LOG).map(({ direction, size, code, payload }) => [
        direction,
        size,
        code,
        payload,
      ]),
      [
        ["sent", 7, "CSM", undefined],
        ["sent", 13, "GET", undefined],
        ["received", 14, "2.05", "2"],
        ["received", 0, "2.05", "3"],
      ],
    );
  });

  it("reads what was sent, dropped and received, and nothing else", () => {
    const request = {
      direction: "sent" as const,
      size: 16,
      type: "CON" as const,
      code: "GET",
      id: 0x7a65,
      token: "01",
      options: ["Uri-Port:17001", "Uri-Path:async", "Uri-Query:1"],
      payload: undefined,
    };
    const empty = { size: 4, dropped: false, code: "0.00", token: "", options: [] };
    assertEquals(parsePdus(LOG), [
      { ...request, dropped: true },
      { ...request, dropped: false },
      { ...empty, direction: "received", type: "ACK", id: 0x7a65, payload: undefined },
      {
        direction: "received",
        size: 10,
        dropped: false,
        type: "CON",
        code: "2.05",
        id: 0x12f6,
        token: "01",
        options: ["Max-Age:1"],
        payload: "done",
      },
      { ...empty, direction: "sent", type: "ACK", id: 0x12f6, payload: undefined },
    ]);
  });

  it("finds nothing in other text", () => {
    assertEquals(parsePdus("v:1 t:CON c:GET i:7a65 {01} [ ]\n"), []);
  });
});
