import { afterEach, describe, it } from "node:test";
import { type Lockstep, lockstep, settle } from "../../testing/lockstep.ts";
import { encode, type Message, MessageType } from "../wire/message.ts";
import { Code } from "../wire/code.ts";

/** A request that was sent, on behalf of a client where `proxy` is set. */
function asked(proxy: boolean): Lockstep & { request: Message } {
  const ladder = lockstep();
  ladder.app.asks("CON GET /test", { proxy });
  const { message } = ladder.peer.receives("CON GET $m token $t /test");
  return Object.assign(ladder, { request: message });
}

/** Its response, with a payload marker and nothing behind it. */
function malformed({ id, token }: Message, type: MessageType): Uint8Array {
  const response = encode({ type, code: Code.Content, id, token });
  const bytes = new Uint8Array(response.length + 1);
  bytes.set(response);
  bytes[response.length] = 0xff;
  return bytes;
}

describe("a request handed on by a proxy", () => {
  afterEach(settle);

  it("leaves Echo to the client: nothing is repeated or kept (9175-2.2)", () => {
    const { app, peer, silence } = asked(true);
    peer.sends("ACK 4.01 $m token $t Echo:0x0102");
    app.gets("4.01 Echo:0x0102");
    silence();
    app.asks("CON PUT /test Echo:0x0102", { proxy: true });
    peer.receives("CON PUT $n token $u /test Echo:0x0102");
    peer.sends("ACK 2.04 $n token $u Echo:0x0304");
    app.gets("2.04 Echo:0x0304");
    app.asks("CON GET /test", { proxy: true });
    peer.receives("CON GET $o token $v /test");
    peer.sends("ACK 2.05 $o token $v");
    app.gets("2.05");
  });

  it("leaves a value alone that another request of the endpoint has got", () => {
    const { app, peer } = asked(false);
    peer.sends("ACK 2.05 $m token $t Echo:0x0102");
    app.gets("2.05 Echo:0x0102");
    app.asks("CON GET /test", { proxy: true });
    peer.receives("CON GET $n token $u /test");
    peer.sends("ACK 2.05 $n token $u");
    app.gets("2.05");
    app.asks("CON GET /test");
    peer.receives("CON GET $o token $v /test Echo:0x0102");
    peer.sends("ACK 2.05 $o token $v");
    app.gets("2.05");
  });

  for (const type of ["Confirmable", "NonConfirmable", "Acknowledgement"] as const) {
    it(`fails at once where its response is malformed, ${type} (7252-5.7-2)`, () => {
      const { app, peer, request, silence } = asked(true);
      peer.sendsBytes(malformed(request, MessageType[type]));
      app.event("rejected");
      app.fails("rejected-response");
      if (type === "Confirmable") peer.receives("RST Empty $m");
      silence(93_000);
    });
  }

  it("is needed for that: another request waits on", () => {
    const { app, peer, request, silence } = asked(false);
    peer.sendsBytes(malformed(request, MessageType.Confirmable));
    app.event("rejected");
    peer.receives("RST Empty $m");
    peer.sends('ACK 2.05 $m token $t "right"');
    app.gets('2.05 "right"');
    silence();
  });

  it("does not end with what is malformed and no response to it", () => {
    const { app, peer, request } = asked(true);
    const other = { ...request, id: request.id, token: Uint8Array.of(1, 2, 3) };
    peer.sendsBytes(malformed(other, MessageType.Confirmable));
    app.event("rejected");
    peer.receives("RST Empty $m");
    peer.sends("ACK 2.05 $m token $t");
    app.gets("2.05");
  });

  it("nor with one whose token has the same key", () => {
    const { app, peer } = lockstep({ tokenLength: 8, random: (bytes) => bytes.fill(0x80) });
    app.asks("CON GET /test", { proxy: true });
    const { message } = peer.receives("CON GET $m token 8080808080808080 /test");
    const token = Uint8Array.of(0x80, 0x80, 0x90, 0x31, 0x1e, 0xe1, 0xd0, 0x5f);
    peer.sendsBytes(malformed({ ...message, token }, MessageType.NonConfirmable));
    app.event("rejected");
    peer.sends("ACK 2.05 $m token 8080808080808080");
    app.gets("2.05");
  });
});
