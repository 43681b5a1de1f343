import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import recorded from "../fixtures/recorded/libcoap.json" with { type: "json" };
import { found } from "../testing/capture_script.ts";
import {
  blockSequences,
  coapSequences,
  fromHex,
  observeSequences,
  type SequenceMessage,
  type Sequences,
} from "../testing/vectors.ts";
import type { CapturedDatagram, Endpoint } from "./pcap_packet.ts";
import { explain, replay, replayFile, replayText } from "./replay.ts";

function datagram(
  time: number,
  source: Endpoint,
  destination: Endpoint,
  hex: string,
): CapturedDatagram {
  return { number: 0, time, source, destination, bytes: fromHex(hex), cut: false };
}

/** Where the parties of the figures are. */
const PARTIES: Record<string, Endpoint> = {
  "client": { address: "2001:db8::1", port: 40000 },
  "server": { address: "2001:db8::2", port: 5683 },
  "proxy": { address: "2001:db8::3", port: 5683 },
  "ff02::1": { address: "ff02::1", port: 5683 },
  "A": { address: "2001:db8::a", port: 5683 },
  "B": { address: "2001:db8::b", port: 5683 },
  "server C": { address: "2001:db8::c", port: 5683 },
};

/** The messages of figures, a millisecond apart where they do not say when; a timeout takes its time. */
function messagesOf(sequences: Sequences, ...ids: string[]): CapturedDatagram[] {
  const chosen = sequences.sequences.filter(({ id }) => ids.includes(id));
  assertEquals(chosen.length, ids.length);
  let time = 0;
  const datagrams: CapturedDatagram[] = [];
  type Timed = SequenceMessage & { to: string; t?: number };
  for (const { hex, event, from, to, t } of chosen.flatMap(({ messages }) => messages as Timed[])) {
    time = t === undefined ? time + (event === "timeout" ? 2500 : 1) : t * 1000;
    if (hex !== undefined) datagrams.push(datagram(time, PARTIES[from!]!, PARTIES[to]!, hex));
  }
  return datagrams;
}

describe("the figures of the RFCs, explained", () => {
  for (const sequences of [coapSequences, blockSequences]) {
    for (const { id, title } of sequences.sequences) {
      it(`${id}, ${title}: nothing to find`, () => {
        assertEquals(found(explain(messagesOf(sequences, id))), []);
      });
    }
  }

  it("7959-9 as printed, with the message IDs of two Acknowledgements one too low", () => {
    const messages = messagesOf(blockSequences, "7959-9");
    for (const index of [5, 7]) messages[index]!.bytes[3]!--;
    const result = explain(messages);
    assertEquals(result.messages[5]!.explanation, "Another response than #4 to a repeated request");
    // The last block seems to come before the one before it is answered.
    assertEquals(found(result), ["7! 7252-5.3.1-2", "8✗ 7959-2.5-12"]);
  });

  it("7641-A-3 to 7641-A-6: registers again with new tokens, which section 3.3.1 does not", () => {
    const ids = ["7641-A-3", "7641-A-4", "7641-A-5", "7641-A-6"];
    const result = explain(messagesOf(observeSequences, ...ids));
    // The second time the client was started anew and could not know.
    assertEquals(found(result), ["5✗ 7641-3.1-2", "7✗ 7641-3.1-2", "7✗ 7641-3.1-2"]);
    assertEquals(result.messages.map(({ explanation }) => explanation), [
      "Request: GET /temperature, registers",
      "Response to #1: Content",
      "Notification of #1: Content",
      "Notification of #1: Content",
      "Request: GET /temperature, registers",
      "Response to #5: Content",
      "Request: GET /temperature, registers",
      "Response to #7: Content",
      "Notification of #7: Valid",
      "Notification of #7: Content",
      "Rejects #10 and ends the observation of #7",
    ]);
  });

  for (const id of ["7641-A-7", "7641-A-8"]) {
    it(`${id}, by way of a proxy: nothing to find`, () => {
      assertEquals(found(explain(messagesOf(observeSequences, id))), []);
    });
  }
});

describe("what libcoap sends, explained", () => {
  const known: Record<string, string[]> = {
    // The response to the last block says nothing of it.
    "block1": ["8! 7959-2.5-12"],
    // A notification that came twice is not acknowledged again.
    "lost-acknowledgement": ["4! 7252-4.2-1"],
  };
  for (const { id, title, datagrams } of recorded.recordings) {
    it(`${id}, ${title}: ${known[id]?.join() ?? "nothing to find"}`, () => {
      const server = { address: "127.0.0.1", port: 5683 };
      const result = explain(datagrams.map(({ time, from, client, hex }) => {
        const other = { address: "127.0.0.1", port: 40000 + client };
        const [source, destination] = from === "client" ? [other, server] : [server, other];
        return datagram(time, source, destination, hex);
      }));
      assertEquals(found(result), known[id] ?? []);
      assertEquals(result.messages.length, datagrams.length);
      for (const { explanation } of result.messages) {
        assertFalse(/nobody|no message/i.test(explanation));
      }
    });
  }
});

const FOLDER = new URL("../fixtures/recorded/", import.meta.url);

describe("replay", () => {
  it("draws and explains a capture in words", async () => {
    const result = await replayFile(new URL("separate-cooked.pcap", FOLDER));
    const port = result.messages[0]!.source.port;
    assert(result.messages.every(({ time }) => time >= 0 && time < 1500));
    const text = replayText(result).replaceAll(/\d+\.\d ms/g, "0.0 ms").replaceAll(
      / +0\.0 ms │/g,
      "│",
    )
      .replaceAll(`${port}`, "PORT").replaceAll(/0x[0-9a-f]{4}/g, "0xID");
    assertStringIncludes(
      text,
      `
#1  0.0 ms  127.0.0.1:PORT → 127.0.0.1:5683
    CON 0xID GET · token 0x01
    Uri-Path: "async" · Uri-Query: "1"
    = Request: GET /async?1

#2  0.0 ms  127.0.0.1:5683 → 127.0.0.1:PORT
    ACK 0xID Empty
    = Acknowledges #1: the response comes later

#3  0.0 ms  127.0.0.1:5683 → 127.0.0.1:PORT
    CON 0xID 2.05 Content · token 0x01
    4 bytes: "done"
    = Response to #1, separate: Content

#4  0.0 ms  127.0.0.1:PORT → 127.0.0.1:5683
    ACK 0xID Empty
    = Acknowledges #3

4 messages, 0 violations, 0 remarks
`,
    );
    assertStringIncludes(text, "│◄");
    assertStringIncludes(text, "│── CON 0xID GET · token 0x01");
  });

  it("marks violations and remarks, in colours where wanted, and lets nothing else through", () => {
    const [client, server] = [PARTIES.client!, PARTIES.server!];
    const result = explain([
      datagram(0, client, server, "40010001b31b5b4dff1b5b4d"),
      datagram(1, server, client, "60450001"),
      datagram(2, server, client, "600000"),
      datagram(3, client, server, "40020002d10e32"),
      datagram(4, server, client, "60440002d10e32"),
    ]);
    assertEquals([result.violations, result.remarks], [2, 1]);
    const text = replayText(result);
    assertStringIncludes(text, "    ✗ violation of 7252-5.5-1: GET has no payload\n");
    assertStringIncludes(text, "[2001:db8::2]:5683");
    assertStringIncludes(text, "    3 bytes: 0x600000\n    = No message of CoAP\n");
    assertStringIncludes(text, "    ! remark of 7959-2.5-5: The body begins with block 3\n");
    assertStringIncludes(text, "5 messages, 2 violations, 1 remark\n");
    assertFalse(text.includes("\x1b"));
    const colored = replayText(result, { color: true });
    assertStringIncludes(
      colored,
      "    \x1b[31m✗ violation of 7252-5.5-1: GET has no payload\x1b[0m\n",
    );
    assertStringIncludes(colored, "\x1b[33m! remark");
  });

  it("takes the default port, the ports named, or those where CoAP is spoken", () => {
    const file = readFileSync(new URL("get.pcap", FOLDER));
    assertEquals(replay(file).messages.length, 2);
    assertEquals(replay(file, { ports: [5683] }).messages.length, 2);
    const none = replay(file, { ports: [5684] });
    assertEquals([none.messages.length, none.notes], [0, ["2 datagrams of other ports left out"]]);
    assertEquals(
      replayText(none),
      "note: 2 datagrams of other ports left out\n0 messages, 0 violations, 0 remarks\n",
    );
    // The same at another port: the ports stand behind the headers of the file, the packet, Ethernet and IP.
    const moved = Uint8Array.from(file);
    const second = 24 + 16 + new DataView(moved.buffer).getUint32(24 + 8, true) + 16;
    moved.set([0x30, 0x39], 24 + 16 + 14 + 20 + 2);
    moved.set([0x30, 0x39], second + 14 + 20);
    assertEquals(
      replay(moved).messages.map(({ destination }) => destination.port).includes(12345),
      true,
    );
    assertEquals(replay(moved).messages.length, 2);
    // What no more reads as CoAP.
    moved[24 + 16 + 14 + 20 + 8] = 0;
    moved[second + 14 + 20 + 8] = 0;
    assertEquals(replay(moved).messages.length, 0);
    assertEquals(replay(moved, { ports: [12345] }).messages.length, 2);
  });

  it("says what it could not judge", () => {
    const file = readFileSync(new URL("get.pcap", FOLDER));
    assertEquals(replay(file.subarray(0, -1)).notes, ["The file ends inside a packet"]);
    const cut = explain([
      { ...datagram(0, PARTIES.client!, PARTIES.server!, "4001"), cut: true },
      datagram(5, PARTIES.client!, PARTIES.server!, "50010001"),
    ]);
    assertEquals(cut.notes, ["1 datagram left out, the end of which was not captured"]);
    assertEquals(cut.messages.map(({ number, time }) => [number, time]), [[1, 0]]);
  });

  it("fails where there is no capture", async () => {
    await assertRejects(() => replayFile(new URL("libcoap.json", FOLDER)), SyntaxError);
    await assertRejects(() => replayFile(new URL("none.pcap", FOLDER)), Error);
  });
});
